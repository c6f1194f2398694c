import { json, type Headers } from './http-steps.ts'
import type { Step } from './steps.ts'

/** A usage as OpenAI writes it: `prompt_tokens`, `completion_tokens`, `total_tokens`, details. */
export type UsageBody = Record<string, unknown>

export interface CompletionFixture {
  content: string | null
  /** @default 'gpt-4.1' */
  model?: string
  /** False leaves it out. @default 10 prompt and 5 completion tokens */
  usage?: UsageBody | false
  /** @default 'stop' */
  finishReason?: string
  toolCalls?: readonly unknown[]
  id?: string
}

const fixtureId = 'chatcmpl-fixture'
const created = 1_767_225_600

/** The usage of fixtures that are given none. */
export const fixtureUsage: UsageBody = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }

/** Writes a whole plain answer in OpenAI's shape. */
export function completion(fixture: CompletionFixture, headers: Headers = {}): Step {
  return json(completionBody(fixture), { headers })
}

/** The body that `completion` writes, to change or to compare with. */
export function completionBody(fixture: CompletionFixture): Record<string, unknown> {
  const { content, model = 'gpt-4.1', usage = fixtureUsage, finishReason = 'stop', toolCalls, id = fixtureId } = fixture
  const message = { role: 'assistant', content, ...(toolCalls && { tool_calls: toolCalls }), refusal: null }
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
    ...(usage && { usage }),
  }
}

export interface StreamFixture {
  /** A content chunk for each piece. */
  content: readonly string[]
  /** @default 'gpt-4.1' */
  model?: string
  /** Adds `"usage":null` to every chunk and a chunk with this usage and no choices at the end. */
  usage?: UsageBody
  /** Null leaves the finish chunk out. @default 'stop' */
  finishReason?: string | null
  /** Whether `data: [DONE]` comes at the end. @default true */
  done?: boolean
  /** Whether a role chunk comes first. @default true */
  role?: boolean
  id?: string
}

/**
 * The events of a streamed answer in OpenAI's shape: role, content, finish, usage, `[DONE]`.
 *
 * @example
 * const [role, first] = streamEvents({ content: ['Hel', 'lo'] })
 * upstream.respond([streamHead(), chunk(role), chunk(first), reset()])
 */
export function streamEvents(fixture: StreamFixture): string[] {
  const { content, model = 'gpt-4.1', usage, finishReason = 'stop', done = true, role = true, id = fixtureId } = fixture
  const base = { id, object: 'chat.completion.chunk', created, model }
  const chunkWith = (delta: object, reason: string | null = null) => {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason: reason }]
    return sse({ ...base, choices, ...(usage && { usage: null }) })
  }
  return [
    ...(role ? [chunkWith({ role: 'assistant', content: '', refusal: null })] : []),
    ...content.map((piece) => chunkWith({ content: piece })),
    ...(finishReason === null ? [] : [chunkWith({}, finishReason)]),
    ...(usage ? [sse({ ...base, choices: [], usage })] : []),
    ...(done ? [sse('[DONE]')] : []),
  ]
}

export interface SseOptions {
  /** An `event:` line before the data. */
  event?: string
  /** @default '\n' */
  lineEnd?: '\n' | '\r\n' | '\r'
  /** Whether a space follows `data:`. @default true */
  space?: boolean
}

/** One server-sent event. A string goes out as it is, each of its lines a `data:` line; anything else as JSON. */
export function sse(data: unknown, { event, lineEnd = '\n', space = true }: SseOptions = {}): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  const colon = space ? ': ' : ':'
  const lines = [
    ...(event === undefined ? [] : [`event${colon}${event}`]),
    ...text.split('\n').map((line) => `data${colon}${line}`),
  ]
  return lines.join(lineEnd) + lineEnd + lineEnd
}

/** A comment, as providers send to keep a connection alive. */
export function sseComment(text: string): string {
  return `: ${text}\n\n`
}

export interface ErrorFixture {
  /** @default 'Simulated error' */
  message?: string
  type?: string | null
  code?: string | null
  param?: string | null
}

/**
 * Writes an error in OpenAI's shape.
 *
 * @example
 * upstream.respond(jsonError(429, { type: 'requests', code: 'rate_limit_exceeded' }, { 'retry-after': 1 }))
 */
export function jsonError(status: number, error: ErrorFixture = {}, headers: Headers = {}): Step {
  return json(errorBody(error), { status, headers })
}

/** The body that `jsonError` writes; `sse(errorBody(...))` is an error event. */
export function errorBody({
  message = 'Simulated error',
  type = 'server_error',
  code = null,
  param = null,
}: ErrorFixture): object {
  return { error: { message, type, param, code } }
}
