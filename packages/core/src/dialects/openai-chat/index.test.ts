import { describe, expect, it } from 'vitest'
import { SignalboxError } from '../../errors.ts'
import { openaiChat } from './index.ts'

const patch = (text: string, model = 'upstream') =>
  Buffer.from(openaiChat.patch(openaiChat.parse(Buffer.from(text)), { model })).toString()

describe('what goes to a provider', () => {
  it('is the original with its own name for the model, and no byte else', () => {
    expect(patch('{ "model" : "auto", "seed" : 1.0 }')).toBe('{ "model" : "upstream", "seed" : 1.0 }')
  })

  it('is the very bytes that came where the name is the same', () => {
    const bytes = Buffer.from('{"model":"same"}')
    expect(openaiChat.patch(openaiChat.parse(bytes), { model: 'same' })).toBe(bytes)
  })

  it('asks for the usage of a stream where the caller did not', () => {
    expect(patch('{"model":"a","stream":true}')).toBe(
      '{"model":"upstream","stream":true,"stream_options":{"include_usage":true}}',
    )
    expect(patch('{"model":"a","stream":true,"stream_options":null}')).toContain(
      '"stream_options":{"include_usage":true}',
    )
  })

  it('keeps the other options of the stream', () => {
    expect(
      patch('{"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"a","stream":true}'),
    ).toBe('{"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"upstream","stream":true}')
  })

  it('does not touch the options of a plain request, or of a caller who asked for usage', () => {
    expect(patch('{"model":"a","stream_options":{}}')).toBe('{"model":"upstream","stream_options":{}}')
    expect(patch('{"model":"a","stream":true,"stream_options":{ "include_usage" : true }}')).toBe(
      '{"model":"upstream","stream":true,"stream_options":{ "include_usage" : true }}',
    )
  })
})

describe('what a caller is told of an error', () => {
  it("has OpenAI's shape", () => {
    const error = new SignalboxError('model_not_found', 'There is no "x"\n', {
      param: 'model',
      cause: new Error('hidden'),
    })
    const body = {
      error: { message: 'There is no "x"\n', type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
    }
    expect(JSON.parse(Buffer.from(openaiChat.error(error)).toString())).toEqual(body)
    expect(Buffer.from(openaiChat.errorEvent(error)).toString()).toBe(`data: ${JSON.stringify(body)}\n\n`)
  })

  it('has null for a field that is not at fault', () => {
    expect(
      JSON.parse(Buffer.from(openaiChat.error(new SignalboxError('upstream_error', 'x'))).toString()),
    ).toMatchObject({ error: { param: null, type: 'upstream_error' } })
  })
})

describe('a delta', () => {
  it.each([
    ['{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}', true],
    ['{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}', true],
    ['{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}', false],
    ['{"choices":[],"usage":{"prompt_tokens":1}}', false],
    ['{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":1}}', false],
    ['{"error":{"message":"x"}}', false],
    ['[DONE]', false],
  ])('%s is known by its end: %s', (data, expected) => {
    expect(openaiChat.isDelta(Buffer.from(`data: ${data}\n\n`))).toBe(expected)
    expect(openaiChat.isDelta(Buffer.from(`data: ${data}\n`))).toBe(false)
  })

  it('is not known where bytes are few', () => {
    expect(openaiChat.isDelta(Buffer.from('\n\n'))).toBe(false)
    expect(openaiChat.isDelta(Buffer.alloc(0))).toBe(false)
  })
})

it('limits the answer in the field that the request has, and one that says nothing is not had', () => {
  const limited = (fields: object, provider = 'openai') =>
    openaiChat.limitOutput(openaiChat.parse({ model: 'm', messages: [], ...fields }), 5, provider).body

  expect(limited({ max_tokens: 9 })).toMatchObject({ max_tokens: 5 })
  expect(limited({ max_tokens: null })).toMatchObject({ max_tokens: null, max_completion_tokens: 5 })
  expect(limited({ max_completion_tokens: null }, 'openai-compatible')).toMatchObject({ max_tokens: 5 })
  expect(limited({ max_completion_tokens: 9 }, 'openai-compatible')).toMatchObject({ max_completion_tokens: 5 })
})

it('limits the answer also where a request has both fields', () => {
  const request = openaiChat.parse({ model: 'm', messages: [], max_tokens: 9, max_completion_tokens: -1 })

  expect(openaiChat.limitOutput(request, 5, 'openai').parameters.maxOutputTokens).toBe(5)
  expect(request.withParameters({ maxOutputTokens: 5 }).parameters.maxOutputTokens).toBe(5)
})
