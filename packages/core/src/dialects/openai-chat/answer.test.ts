import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EventKind } from '../dialect.ts'
import { classifyAnswer, classifyEvent, providerError } from './answer.ts'

const event = (value: unknown) => classifyEvent({ data: typeof value === 'string' ? value : JSON.stringify(value) })
const answer = (value: unknown) =>
  classifyAnswer(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
const choice = (delta: unknown, finish_reason: unknown = null) => ({ choices: [{ index: 0, delta, finish_reason }] })
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }

describe('an event of a stream', () => {
  it.each<[string, unknown, EventKind]>([
    ['a role', choice({ role: 'assistant' }), 'role'],
    ['a role with an empty text', choice({ role: 'assistant', content: '' }), 'role'],
    ['a role with no text', choice({ role: 'assistant', content: null }), 'role'],
    ['a text', choice({ content: 'a' }), 'content'],
    ['a refusal', choice({ refusal: 'no' }), 'content'],
    ['a sound', choice({ audio: { data: 'AAAA' } }), 'content'],
    ['a thought', choice({ reasoning_content: 'hm' }), 'reasoning'],
    ['a thought by its other name', choice({ reasoning: 'hm' }), 'reasoning'],
    ['a tool call', choice({ tool_calls: [{ index: 0 }] }), 'tool'],
    ['no tool call', choice({ tool_calls: [] }), 'role'],
    ['a function call', choice({ function_call: { name: 'f' } }), 'tool'],
    ['an end', choice({}, 'stop'), 'finish'],
    ['a text and an end', choice({ content: 'a' }, 'stop'), 'content'],
    ['a text of the second choice', { choices: [{ delta: {} }, { delta: { content: 'a' } }] }, 'content'],
    ['usage alone', { choices: [], usage }, 'usage'],
    ['usage without choices', { usage }, 'usage'],
    ['no choices', { choices: [] }, 'ping'],
    ['no choices, filter results', { choices: [], prompt_filter_results: [] }, 'ping'],
    ['nothing it knows', { hello: 1 }, 'ping'],
    ['the end of all', '[DONE]', 'done'],
    ['an error', { error: { message: 'x' } }, 'error'],
    ['an error beside choices', { choices: [], error: { message: 'x' } }, 'error'],
    ['an answer that ended with an error', choice({ content: '' }, 'error'), 'error'],
    ['a text that is no JSON', '{broken', 'malformed'],
    ['JSON that is no object', '[]', 'malformed'],
    ['null', 'null', 'malformed'],
    ['no data', '', 'ping'],
  ])('is read as what it is: %s', (_what, value, kind) => {
    expect(event(value).kind).toBe(kind)
  })

  it('without data says nothing', () => {
    expect(classifyEvent({}).kind).toBe('ping')
    expect(classifyEvent({ event: 'x' }).kind).toBe('ping')
  })

  it('named error is one, whatever it holds', () => {
    expect(classifyEvent({ event: 'error', data: '{"x":1}' })).toEqual({
      kind: 'error',
      error: { message: 'The provider reported an error' },
    })
  })

  it('finishes with any reason but null, none or an empty one', () => {
    for (const reason of ['stop', 'length', 'tool_calls', 'content_filter', 'own'])
      expect(event(choice({ content: 'a' }, reason)).finishes).toEqual([0])
    for (const reason of [null, undefined, '']) expect(event(choice({ content: 'a' }, reason)).finishes).toBeUndefined()
  })

  it('counts the text in it', () => {
    expect(event(choice({ content: 'four', reasoning_content: 'six ch' })).textLength).toBe(10)
    expect(event({ choices: [{ delta: { content: 'one' } }, { delta: { content: 'two' } }] }).textLength).toBe(6)
    expect(event(choice({ tool_calls: [{ function: { arguments: '{"a":1}' } }] })).textLength).toBeGreaterThan(7)
  })

  it('may hold usage beside content', () => {
    expect(event({ ...choice({ content: 'a' }), usage })).toMatchObject({ kind: 'content', usage: { inputTokens: 10 } })
    expect(event({ ...choice({ content: 'a' }), usage: null }).usage).toBeUndefined()
  })

  it('is read without a throw, whatever JSON it is', () => {
    const choices = fc.array(
      fc.oneof(
        fc.jsonValue(),
        fc.record({ delta: fc.jsonValue(), finish_reason: fc.jsonValue(), message: fc.jsonValue() }),
      ),
    )
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({ choices, usage: fc.jsonValue(), error: fc.jsonValue() }, { requiredKeys: [] }),
    )
    fc.assert(
      fc.property(body, (value) => {
        expect(() => event(JSON.stringify(value))).not.toThrow()
        expect(() => answer(JSON.stringify(value))).not.toThrow()
        expect(() => providerError(value)).not.toThrow()
      }),
      { numRuns: 200 },
    )
  })
})

describe('a plain answer', () => {
  it.each([
    ['nothing', '', { fault: 'empty' }],
    ['no JSON', '<html>', { fault: 'parse' }],
    ['half of it', '{"choices":[', { fault: 'parse' }],
    ['null', 'null', { fault: 'shape' }],
    ['a list', [], { fault: 'shape' }],
    ['no choices', { id: 'x' }, { fault: 'shape' }],
    ['choices that are no list', { choices: {} }, { fault: 'shape' }],
    ['an error', { error: { message: 'x', code: 'y' } }, { error: { message: 'x', code: 'y' } }],
    ['an error beside choices', { error: 'x', choices: [] }, { error: { message: 'x' } }],
    ['no choice, but a list of them', { choices: [] }, { textLength: 0 }],
    [
      'one that ended with an error',
      { choices: [{ message: { content: 'Hal' }, finish_reason: 'error', error: { message: 'x', code: 503 } }] },
      { error: { message: 'x', status: 503 } },
    ],
    [
      'one that ended with an error, of which nothing is said',
      { choices: [{ message: { content: 'Hal' }, finish_reason: 'error' }] },
      { error: { message: 'The provider broke off the answer with an error' } },
    ],
  ])('is read as what it is: %s', (_what, value, expected) => {
    expect(answer(value)).toEqual(expected)
  })

  it('has its usage, or the length of its text to count by', () => {
    const choices = [{ message: { content: 'four', reasoning_content: 'six ch' } }, { message: null }, null]
    expect(answer({ choices, usage })).toMatchObject({ usage: { inputTokens: 10, outputTokens: 5 } })
    expect(answer({ choices })).toEqual({ textLength: 10 })
    expect(answer({ choices, usage: null })).toEqual({ textLength: 10 })
  })

  it('without a number in its usage has none', () => {
    const choices = [{ message: { content: 'four' } }]
    expect(answer({ choices, usage: {} })).toEqual({ textLength: 4 })
    expect(answer({ choices, usage: { prompt_tokens: null, completion_tokens: 'many' } })).toEqual({ textLength: 4 })
    expect(event({ choices: [], usage: {} })).toEqual({ kind: 'usage' })
    expect(answer({ choices, usage: { prompt_tokens: 0, completion_tokens: 0 } })).toEqual({ textLength: 4 })
  })

  it('is read from bytes that are a part of a larger buffer', () => {
    const whole = Buffer.from('xx{"choices":[]}yy')
    expect(classifyAnswer(new Uint8Array(whole.buffer, whole.byteOffset + 2, 14))).toEqual({ textLength: 0 })
  })
})

describe('usage', () => {
  const place = { prompt_tokens: 10, completion_tokens: 5 }

  it.each([
    ['at the top', { choices: [], usage: place }],
    ["in the last choice of Moonshot's stream", { choices: [{ delta: {}, finish_reason: 'stop', usage: place }] }],
    ["in Groq's own part", { choices: [{ delta: {}, finish_reason: 'stop' }], x_groq: { id: 'x', usage: place } }],
  ])('is found %s', (_where, chunk) => {
    expect(event(chunk)).toMatchObject({ usage: { inputTokens: 10, outputTokens: 5 } })
    expect(answer(chunk)).toMatchObject({ usage: { inputTokens: 10, outputTokens: 5 } })
  })
})

describe("a provider's error", () => {
  it.each([
    [
      "OpenAI's",
      { error: { message: 'm', type: 't', param: null, code: 'c' } },
      { message: 'm', type: 't', code: 'c' },
    ],
    ['a bare text', { error: 'm' }, { message: 'm' }],
    [
      "Mistral's",
      { object: 'error', message: 'm', type: 't', code: '1000' },
      { message: 'm', type: 't', code: '1000' },
    ],
    [
      "Gemini's, in a list",
      [{ error: { code: 400, message: 'm', status: 'INVALID_ARGUMENT' } }],
      { message: 'm', status: 400 },
    ],
    ["FastAPI's", { detail: 'm' }, { message: 'm' }],
    [
      "FastAPI's, of fields",
      { detail: [{ type: 'missing', loc: ['body', 'model'], msg: 'Field required' }] },
      { message: 'body.model: Field required' },
    ],
    ['one without a message', { error: {} }, { message: 'The provider gave no message' }],
    ['one with a status for a code', { error: { message: 'm', code: 429 } }, { message: 'm', status: 429 }],
    [
      'one with a status beside the code',
      { error: { message: 'm', code: 'c', status: 503 } },
      { message: 'm', code: 'c', status: 503 },
    ],
    ['one whose code is no status', { error: { message: 'm', code: 5 } }, { message: 'm' }],
    [
      'one with a code in its details',
      { error: { message: 'm', type: 'rate_limit_error', details: { error_code: 'enforced_spend_limit_reached' } } },
      { message: 'm', type: 'rate_limit_error', code: 'enforced_spend_limit_reached' },
    ],
  ])('is read in its shape: %s', (_what, body, expected) => {
    expect(providerError(body)).toEqual(expected)
  })

  it.each([
    [null],
    [undefined],
    ['error'],
    [[]],
    [{}],
    [{ error: null }],
    [{ error: '' }],
    [{ error: false }],
    [{ error: [] }],
    [{ object: 'chat.completion', message: 'x' }],
    [{ choices: [], detail: 'x' }],
    [{ detail: [] }],
    [[[{ error: 'x' }]]],
  ])('is not seen in %j', (body) => {
    expect(providerError(body)).toBeUndefined()
  })
})
