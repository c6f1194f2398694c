import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSignalboxError } from '../../errors.ts'
import type { Parameters, Request } from '../../types.ts'
import { openaiChat } from './index.ts'

const parse = (body: object | string | Uint8Array) =>
  openaiChat.parse(typeof body === 'string' ? Buffer.from(body) : body)
const chat = (rest: object = {}) => parse({ model: 'm', ...rest })
const say = (content: unknown) => chat({ messages: [{ role: 'user', content }] })

/** Everything that can be read of a request. */
const read = (request: Request) => [
  request.messages,
  request.text,
  request.tools,
  request.parameters,
  request.modality,
  openaiChat.wantsUsage(request),
  openaiChat.patch(request, { model: 'x' }),
]

function faultOf(body: object | string): unknown {
  try {
    parse(body)
  } catch (error) {
    return isSignalboxError(error) ? { code: error.code, param: error.param, message: error.message } : error
  }
  return undefined
}

describe('a request', () => {
  it('is read from bytes and from an object alike', () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], temperature: 0.5 }
    for (const request of [parse(body), parse(JSON.stringify(body))]) {
      expect(request.model).toBe('m')
      expect(request.body).toEqual(body)
      expect(request.messages).toEqual([{ role: 'user', text: 'hi' }])
      expect(JSON.parse(Buffer.from(request.bytes).toString())).toEqual(body)
    }
  })

  it('keeps the very bytes that came', () => {
    const bytes = Buffer.from(' { "model" : "m" , "seed": 12345678901234567890 } ')
    expect(parse(bytes).bytes).toBe(bytes)
  })

  it.each([
    ['', 'invalid_json', undefined, 'empty'],
    ['{"model":', 'invalid_json', undefined, 'not valid JSON'],
    ['null', 'invalid_body', undefined, 'got null'],
    ['[]', 'invalid_body', undefined, 'got an array'],
    ['"m"', 'invalid_body', undefined, 'got a string'],
    ['5', 'invalid_body', undefined, 'got a number'],
    ['{}', 'invalid_body', 'model', 'got nothing'],
    ['{"model":""}', 'invalid_body', 'model', 'got an empty string'],
    ['{"model":null}', 'invalid_body', 'model', 'got null'],
    ['{"model":{"a":1}}', 'invalid_body', 'model', 'got an object'],
    ['{"model":["m"]}', 'invalid_body', 'model', 'got an array'],
    ['{"__proto__":{"model":"m"}}', 'invalid_body', 'model', 'got nothing'],
  ])('%s is refused as %s', (body, code, param, words) => {
    expect(faultOf(body)).toMatchObject({ code, param, message: expect.stringContaining(words) })
  })

  it('that cannot be written as JSON is refused, and says so', () => {
    const circular: Record<string, unknown> = { model: 'm' }
    circular['self'] = circular
    for (const body of [circular, { model: 'm', n: 1n }]) {
      const request = parse(body)
      let thrown: unknown
      try {
        openaiChat.patch(request, { model: 'other' })
      } catch (error) {
        thrown = error
      }
      expect(thrown).toMatchObject({ code: 'invalid_body' })
    }
  })

  it('leaves the prototype of all objects alone', () => {
    const request = parse('{"model":"m","__proto__":{"polluted":1},"messages":[{"__proto__":{"polluted":1}}]}').with({
      a: 1,
    })
    expect(request.messages).toHaveLength(1)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(Buffer.from(request.bytes).toString()).toContain('"__proto__":{"polluted":1}')
  })
})

describe('its text', () => {
  it.each([
    ['a text', 'hello', 'hello'],
    [
      'parts',
      [
        { type: 'text', text: 'a' },
        { type: 'image_url', image_url: {} },
        { type: 'text', text: 'b' },
      ],
      'a\nb',
    ],
    ['null', null, ''],
    ['nothing', undefined, ''],
    ['a number', 5, ''],
    ['an object', { text: 'x' }, 'x'],
    ['parts that are none', [null, 5, 'x', { text: 7 }, {}], ''],
  ])('is found in content that is %s', (_what, content, text) => {
    expect(say(content).messages).toEqual([{ role: 'user', text }])
  })

  it('is that of all messages, whatever stands among them', () => {
    const request = chat({ messages: [{ role: 'system', content: 'a' }, null, 5, { content: 'b' }, { role: 7 }] })
    expect(request.text).toBe('a\n\n\nb\n')
    expect(request.messages.map(({ role }) => role)).toEqual(['system', '', '', '', ''])
  })

  it.each([[undefined], [null], ['hi'], [{}], [5]])('is empty where messages is %j', (messages) => {
    expect(chat({ messages }).messages).toEqual([])
    expect(chat({ messages }).text).toBe('')
  })
})

describe('its tools, parameters and modality', () => {
  it('are read under one name each', () => {
    const request = chat({
      stream: true,
      max_tokens: 5,
      temperature: 0,
      top_p: 0.5,
      seed: 7,
      n: 2,
      stop: 'END',
      response_format: { type: 'json_schema' },
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } },
        { function: {} },
        null,
      ],
    })
    expect(request.parameters).toEqual({
      stream: true,
      maxOutputTokens: 5,
      temperature: 0,
      topP: 0.5,
      seed: 7,
      choices: 2,
      stop: ['END'],
      responseFormat: 'json-schema',
    } satisfies Parameters)
    expect(request.tools).toEqual([{ name: 'f', description: 'd', inputSchema: { type: 'object' } }])
    const custom = { type: 'custom', custom: { name: 'run', description: 'runs what it is given' } }
    expect(chat({ tools: [custom] }).tools).toEqual([{ name: 'run', description: 'runs what it is given' }])
  })

  it('leave out what is no number', () => {
    expect(chat({ max_tokens: 'many', temperature: null, n: NaN, stream: 'yes', stop: [1, 'a'] }).parameters).toEqual({
      stream: false,
      stop: ['a'],
    })
  })

  it('read counts as the most lenient of servers does: the larger of two names, and in a string too', () => {
    expect(chat({ max_tokens: 5, max_completion_tokens: 7 }).parameters.maxOutputTokens).toBe(7)
    expect(chat({ max_tokens: 9, max_completion_tokens: 7 }).parameters.maxOutputTokens).toBe(9)
    expect(chat({ max_tokens: '5', n: ' 3 ' }).parameters).toMatchObject({ maxOutputTokens: 5, choices: 3 })
    expect(chat({ max_tokens: '1_000', n: '1_0' }).parameters).toMatchObject({ maxOutputTokens: 1_000, choices: 10 })
    expect(chat({ max_tokens: '', n: [3] }).parameters).toEqual({ stream: false })
    expect(chat({ max_tokens: Infinity, n: -Infinity }).parameters).toMatchObject({
      maxOutputTokens: Number.MAX_SAFE_INTEGER,
      choices: -Number.MAX_SAFE_INTEGER,
    })
  })

  it.each([
    ['text', 'text'],
    ['json_object', 'json'],
    ['json_schema', 'json-schema'],
    ['xml', undefined],
    ['constructor', undefined],
    ['__proto__', undefined],
    [{ toString: 1 }, undefined],
    [['json_object'], undefined],
  ])('read the response format %j as %j', (type, expected) => {
    expect(chat({ response_format: { type } }).parameters.responseFormat).toBe(expected)
  })

  it('name what is asked to be read besides text', () => {
    const parts = ['image_url', 'input_audio', 'video_url', 'file', 'constructor', '__proto__', 5].map((type) => ({
      type,
    }))
    expect([...say(parts).modality]).toEqual(['text', 'image', 'audio', 'video', 'file'])
    expect([...chat().modality]).toEqual(['text'])
  })

  it('are read without a throw, whatever JSON the request is', () => {
    const names = fc.constantFrom(
      'messages',
      'tools',
      'stream',
      'stop',
      'n',
      'max_tokens',
      'response_format',
      'stream_options',
      'temperature',
    )
    const some = fc.jsonValue({ maxDepth: 1, stringUnit: 'grapheme-ascii' })
    const awkward = fc.oneof(
      some,
      fc.array(
        fc.record({
          role: some,
          content: fc.oneof(some, fc.array(fc.record({ type: some, text: some }), { maxLength: 2 })),
        }),
        { maxLength: 3 },
      ),
      fc.array(
        fc.record({
          function: fc.oneof(some, fc.record({ name: some, parameters: some })),
        }),
        { maxLength: 3 },
      ),
      fc.record({ type: fc.oneof(some, fc.constant({ toString: 1, valueOf: 2 })) }),
    )
    fc.assert(
      fc.property(fc.dictionary(names, awkward, { maxKeys: 4 }), (body) => {
        expect(() => read(parse(JSON.stringify({ ...body, model: 'm' })))).not.toThrow()
        expect(() => read(parse({ ...body, model: 'm' }))).not.toThrow()
      }),
      { numRuns: 100 },
    )
  })
})

describe('a changed copy', () => {
  it('has the change in its body, its view and its bytes, and the original has not', () => {
    const original = parse('{ "model": "m", "temperature": 1.0, "messages": [] }')
    const changed = original.with({ messages: [{ role: 'user', content: 'x' }], temperature: undefined, seed: 1 })
    expect(changed.text).toBe('x')
    expect(changed.parameters).toEqual({ stream: false, seed: 1 })
    expect('temperature' in changed.body).toBe(false)
    expect(Buffer.from(changed.bytes).toString()).toBe(
      '{ "model": "m", "messages": [{"role":"user","content":"x"}] ,"seed":1}',
    )
    expect(original.text).toBe('')
    expect(original.body).toHaveProperty('temperature')
  })

  it('can be changed again', () => {
    const twice = parse('{"model":"m","a":1}').with({ b: 2 }).with({ a: undefined })
    expect(Buffer.from(twice.bytes).toString()).toBe('{"model":"m","b":2}')
  })

  it('is the same bytes where nothing is changed', () => {
    const bytes = Buffer.from('{ "model":"m" }')
    expect(parse(bytes).with({}).bytes).toBe(bytes)
  })
})
