import { type ModelOptions, anthropic, openai } from '@signalbox/core'
import { completionBody, errorBody, sse, streamEvents } from '@signalbox/testkit'
import { modelAt } from './routers.ts'

/** What a provider of a dialect writes, as its documentation shows it. */
export interface Wire {
  readonly name: 'openai-chat' | 'anthropic-messages' | 'openai-responses'
  /** A model at an upstream that writes this. */
  model(upstream: { readonly baseUrl: string }, options?: Partial<ModelOptions>): ModelOptions
  /** A stream that says `Hel`, `lo`: what comes before the first content, the contents, and what ends it. */
  readonly stream: { readonly opening: string; readonly contents: readonly [string, string]; readonly ending: string }
  plain(content: string): object
  /** An error in the middle of a stream, with {@link providersWords}. */
  readonly errorEvent: string
  readonly errorBody: object
}

/** What a provider says that reports an error. */
export const providersWords = 'In the words of the provider'

const event = (type: string, body: object) => sse({ type, ...body }, { event: type })

const [role, hel, lo, ...finish] = streamEvents({
  content: ['Hel', 'lo'],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
}) as [string, string, string, ...string[]]

const textDelta = (text: string) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })

const message = (content: readonly object[], usage: object) => ({
  id: 'msg_fixture',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content,
  stop_reason: content.length > 0 ? 'end_turn' : null,
  stop_sequence: null,
  usage,
})

const said = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] })
const item = (content: readonly object[], status: string) => ({
  type: 'message',
  id: 'msg_1',
  status,
  role: 'assistant',
  content,
})
const response = (status: string, output: readonly object[]) => ({
  id: 'resp_fixture',
  object: 'response',
  created_at: 1_767_225_600,
  status,
  error: null,
  incomplete_details: null,
  model: 'gpt-4.1',
  output,
  ...(status === 'completed' && { usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 } }),
})
const place = { item_id: 'msg_1', output_index: 0, content_index: 0 }
const outputDelta = (delta: string, sequence: number) =>
  event('response.output_text.delta', { sequence_number: sequence, ...place, delta })

/** Every dialect that a provider may be spoken to in. */
export const wires: readonly Wire[] = [
  {
    name: 'openai-chat',
    model: (upstream, options) => modelAt(upstream, options),
    stream: { opening: role, contents: [hel, lo], ending: finish.join('') },
    plain: (content) => completionBody({ content }),
    errorEvent: sse(errorBody({ message: providersWords, type: 'server_error', code: 'internal' })),
    errorBody: errorBody({ message: providersWords, type: 'server_error', code: 'internal' }),
  },
  {
    name: 'anthropic-messages',
    model: ({ baseUrl }, options) =>
      anthropic('claude-sonnet-4-5', { baseUrl, apiKey: 'sk-ant-key-of-the-tests', ...(options as object) }),
    stream: {
      opening:
        event('message_start', { message: message([], { input_tokens: 10, output_tokens: 1 }) }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
        event('ping', {}),
      contents: [textDelta('Hel'), textDelta('lo')],
      ending:
        event('content_block_stop', { index: 0 }) +
        event('message_delta', {
          delta: { stop_reason: 'end_turn', stop_sequence: null },
          usage: { output_tokens: 5 },
        }) +
        event('message_stop', {}),
    },
    plain: (text) => message([{ type: 'text', text }], { input_tokens: 10, output_tokens: 5 }),
    errorEvent: event('error', { error: { type: 'api_error', message: providersWords } }),
    errorBody: { type: 'error', error: { type: 'api_error', message: providersWords } },
  },
  {
    name: 'openai-responses',
    model: ({ baseUrl }, options) =>
      openai('gpt-4.1', { baseUrl, apiKey: 'sk-key', dialect: 'openai-responses', ...(options as object) }),
    stream: {
      opening:
        event('response.created', { sequence_number: 0, response: response('in_progress', []) }) +
        event('response.in_progress', { sequence_number: 1, response: response('in_progress', []) }) +
        event('response.output_item.added', { sequence_number: 2, output_index: 0, item: item([], 'in_progress') }) +
        event('response.content_part.added', { sequence_number: 3, ...place, part: said('') }),
      contents: [outputDelta('Hel', 4), outputDelta('lo', 5)],
      ending:
        event('response.output_text.done', { sequence_number: 6, ...place, text: 'Hello' }) +
        event('response.content_part.done', { sequence_number: 7, ...place, part: said('Hello') }) +
        event('response.output_item.done', {
          sequence_number: 8,
          output_index: 0,
          item: item([said('Hello')], 'completed'),
        }) +
        event('response.completed', {
          sequence_number: 9,
          response: response('completed', [item([said('Hello')], 'completed')]),
        }),
    },
    plain: (content) => response('completed', [item([said(content)], 'completed')]),
    errorEvent: event('error', {
      sequence_number: 5,
      code: 'server_error',
      message: providersWords,
      param: null,
      error: { type: 'server_error', code: 'server_error', message: providersWords, param: null },
    }),
    errorBody: errorBody({ message: providersWords, type: 'server_error', code: 'internal' }),
  },
]

/** The whole stream of a wire that says `Hello`. */
export const wholeStream = ({ stream }: Wire) => [stream.opening, ...stream.contents, stream.ending]

// oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
type Json = any

/** A caller of a dialect: how it asks, and how it reads what it gets. */
export interface Speaker {
  readonly name: Wire['name']
  readonly path: string
  /** A question to the route `auto`. */
  request(more?: object): Record<string, unknown>
  /** The text of a plain answer. */
  textOf(answer: Json): string
  /** Code and message of an error in an answer or in an event. */
  errorOf(body: Json): { readonly code: string | null; readonly message: string; readonly type: string | null }
  /** The text in an event of a stream. */
  deltaOf(event: Json): string
  isError(event: Json): boolean
  /** Whether an event says that the answer is whole. */
  isEnd(event: Json): boolean
}

const question = 'Say hello.'
const openaiError: Speaker['errorOf'] = ({ error: { code, message: words, type } }) => ({ code, message: words, type })

/** Every dialect in which a router may be asked. */
export const speakers: readonly Speaker[] = [
  {
    name: 'openai-chat',
    path: '/chat/completions',
    request: (more) => ({ model: 'auto', messages: [{ role: 'user', content: question }], ...more }),
    textOf: ({ choices }) => choices[0].message.content as string,
    errorOf: openaiError,
    deltaOf: ({ choices }) => (choices?.[0]?.delta?.content ?? '') as string,
    isError: ({ error }) => error !== undefined,
    isEnd: (data) => data === '[DONE]',
  },
  {
    name: 'anthropic-messages',
    path: '/messages',
    request: (more) => ({
      model: 'auto',
      max_tokens: 100,
      messages: [{ role: 'user', content: question }],
      ...more,
    }),
    textOf: ({ content }) => content.map(({ text }: { text?: string }) => text ?? '').join(''),
    errorOf: ({ error: { type, message: words, details } }) => ({
      code: details?.error_code ?? null,
      message: words,
      type,
    }),
    deltaOf: ({ delta }) => (delta?.text ?? '') as string,
    isError: ({ type }) => type === 'error',
    isEnd: ({ type }) => type === 'message_stop',
  },
  {
    name: 'openai-responses',
    path: '/responses',
    request: (more) => ({ model: 'auto', input: question, ...more }),
    textOf: ({ output }) =>
      output.flatMap(({ content = [] }: { content?: { text: string }[] }) => content.map(({ text }) => text)).join(''),
    errorOf: openaiError,
    deltaOf: ({ type, delta }) => (type === 'response.output_text.delta' ? delta : '') as string,
    isError: ({ type }) => type === 'error',
    isEnd: ({ type }) => type === 'response.completed',
  },
]

/** The events of a stream, each as its data: parsed where it is JSON. */
export function dataOf(text: string): Json[] {
  return text
    .split('\n\n')
    .flatMap((one) => one.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice('data: '.length))
    .map((data) => {
      try {
        return JSON.parse(data)
      } catch {
        return data
      }
    })
}

/** Every caller's dialect with every provider's. */
export const pairs = speakers.flatMap((caller) => wires.map((provider) => ({ caller, provider })))

/** A model of each provider's dialect, at a mock that speaks them all. */
export const modelOfEachDialect = ({ url }: { readonly url: string }) => ({
  chat: modelAt({ baseUrl: `${url}/v1` }),
  messages: anthropic('claude-sonnet-4-5', { baseUrl: `${url}/v1`, apiKey: 'key' }),
  responses: openai('gpt-4.1', { baseUrl: `${url}/v1`, apiKey: 'key', dialect: 'openai-responses' }),
})

/** Another provider's dialect: what a call falls over to. */
export const otherThan = (wire: Wire) => wires[(wires.indexOf(wire) + 1) % wires.length]!
