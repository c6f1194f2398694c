import { describe, expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import { collect, replay } from './change-kind.ts'
import { anthropicMessages } from './anthropic-messages/index.ts'
import type { Dialect } from './dialect.ts'
import { openaiChat } from './openai-chat/index.ts'
import { openaiResponses } from './openai-responses/index.ts'

const asked = { body: {}, startedAt: 0 }
const bytesOf = (body: object) => Buffer.from(JSON.stringify(body))
const message = (...content: object[]) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content,
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 2 },
})
const text = { type: 'text', text: 'Hello' }

/** A plain answer as a stream, and that as a plain one again. */
function thereAndBack(answer: object, dialect: Dialect): unknown {
  const stream = replay(bytesOf(answer), dialect, asked)
  const plain = stream && collect(stream, dialect, asked, { ...noUsage, inputTokens: 3, outputTokens: 2 })
  return plain && JSON.parse(Buffer.from(plain).toString())
}

describe('a plain answer as a stream', () => {
  it('keeps thoughts in cipher as what they are, and those with a signature', () => {
    const content = [
      { type: 'redacted_thinking', data: 'Y2lwaGVy' },
      { type: 'thinking', thinking: 'Well.', signature: 'c2ln' },
      { type: 'thinking', thinking: '', signature: 'c2ln' },
      text,
    ]

    expect(thereAndBack(message(...content), anthropicMessages)).toMatchObject({ content })
  })

  it('says at its start what went in, as Anthropic does, and at its end what came out', () => {
    const stream = replay(bytesOf(message(text)), anthropicMessages, asked)!
    const usages = [
      ...Buffer.from(stream)
        .toString()
        .matchAll(/"input_tokens":(\d+).*?"output_tokens":(\d+)/g),
    ]

    expect(usages.map(([, input, output]) => [input, output])).toEqual([
      ['3', '0'],
      ['3', '2'],
    ])
  })

  it.each<[string, Dialect, object]>([
    ['a search of the provider', anthropicMessages, message(text, { type: 'server_tool_use', id: 's', input: {} })],
    ['citations', anthropicMessages, message({ ...text, citations: [{ type: 'char_location' }] })],
    [
      'annotations',
      openaiChat,
      { choices: [{ message: { content: 'Hello', annotations: [{ type: 'url_citation' }] }, finish_reason: 'stop' }] },
    ],
    [
      'pictures',
      openaiChat,
      { choices: [{ message: { content: 'Hello', images: [{ type: 'image_url' }] }, finish_reason: 'stop' }] },
    ],
    [
      'sources beside it',
      openaiChat,
      { choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }], citations: ['https://example.com'] },
    ],
    ['a search of OpenAI', openaiResponses, { output: [{ type: 'web_search_call', id: 'ws_1' }] }],
    [
      'annotations of OpenAI',
      openaiResponses,
      { output: [{ type: 'message', content: [{ type: 'output_text', text: 'Hi', annotations: [{ type: 'a' }] }] }] },
    ],
  ])('is not made of one that has %s, which no stream here has words for', (_what, dialect, answer) => {
    expect(replay(bytesOf(answer), dialect, asked)).toBeUndefined()
  })
})

describe('a stream as a plain answer', () => {
  it('has every call of a tool whole, also where they are written at the same time', () => {
    const call = (index: number, args: string, named: object = {}) => ({
      index,
      function: { ...named, arguments: args },
    })
    const first = (index: number, name: string, args: string) => ({ ...call(index, args, { name }), id: `id_${name}` })
    const stream = [
      chunk({ tool_calls: [first(0, 'f', '{"a"'), first(1, 'g', '{"b"')] }),
      chunk({ tool_calls: [call(1, ':2}'), call(0, ':1}')] }),
      chunk({}, 'tool_calls'),
    ].join('')
    const plain = collect(Buffer.from(stream), openaiChat, asked, noUsage)
    expect(JSON.parse(Buffer.from(plain!).toString()).choices[0].message.tool_calls).toEqual([
      { id: 'id_f', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
      { id: 'id_g', type: 'function', function: { name: 'g', arguments: '{"b":2}' } },
    ])
  })

  const event = (type: string, body: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const block = (content: object, ...deltas: object[]) =>
    event('content_block_start', { index: 0, content_block: content }) +
    deltas.map((delta) => event('content_block_delta', { index: 0, delta })).join('') +
    event('content_block_stop', { index: 0 })
  const messageOf = (blocks: string) =>
    event('message_start', { message: message() }) +
    blocks +
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }) +
    event('message_stop', {})
  const responseOf = (events: string) =>
    event('response.created', { response: { id: 'r', model: 'm' } }) +
    events +
    event('response.completed', { response: { id: 'r', model: 'm', output: [] } })
  const search = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }

  it.each<[string, boolean, Dialect, string]>([
    ['text', true, anthropicMessages, messageOf(block({ type: 'text', text: 'Hello' }))],
    ['a search', false, anthropicMessages, messageOf(block(search))],
    [
      'citations',
      false,
      anthropicMessages,
      messageOf(block({ type: 'text', text: 'Hello' }, { type: 'citations_delta', citation: {} })),
    ],
    ['text', true, openaiChat, `${chunk({ content: 'Hi' })}${chunk({}, 'stop')}data: [DONE]\n\n`],
    ['sound', false, openaiChat, `${chunk({ audio: { data: 'AA' } })}${chunk({}, 'stop')}data: [DONE]\n\n`],
    ['pictures', false, openaiChat, `${chunk({ images: [{}] })}${chunk({}, 'stop')}data: [DONE]\n\n`],
    [
      'sources',
      false,
      openaiChat,
      `data: ${JSON.stringify({ id: 'c', choices: [], search_results: [{}] })}\n\n${chunk({ content: 'Hi' })}${chunk({}, 'stop')}`,
    ],
    ['a search', false, openaiResponses, responseOf(event('response.output_item.added', { item: { type: 'x' } }))],
    [
      'annotations',
      false,
      openaiResponses,
      responseOf(event('response.output_text.annotation.added', { annotation: {} })),
    ],
  ])('with %s: %s', (_what, isMade, dialect, stream) => {
    expect(collect(Buffer.from(stream), dialect, asked, noUsage) !== undefined).toBe(isMade)
  })
})
