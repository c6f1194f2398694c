import { bufferOf } from '../../buffer.ts'
import type { Usage } from '../../types.ts'
import { isRecord, isText, list, number, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import { thoughtIn } from './messages.ts'
import type { AnswerClass, EventClass, ProviderError, SseEvent } from '../dialect.ts'
import { normaliseUsage } from './usage.ts'

/** https://platform.openai.com/docs/api-reference/chat-streaming */
interface Choice {
  readonly index?: unknown
  readonly delta?: Delta | null
  readonly message?: Delta | null
  readonly finish_reason?: unknown
  readonly error?: unknown
}

interface Delta {
  readonly role?: unknown
  readonly content?: unknown
  readonly refusal?: unknown
  readonly reasoning?: unknown
  readonly reasoning_content?: unknown
  readonly tool_calls?: unknown
  readonly function_call?: unknown
  readonly audio?: unknown
}

/** Reads one event of a chat completion stream. */
export function classifyEvent({ event, data }: SseEvent): EventClass {
  if (data === undefined || data === '') return { kind: 'ping' }
  if (data === '[DONE]') return { kind: 'done' }
  const chunk = parseJson(data)
  if (!isRecord(chunk)) return { kind: 'malformed' }
  const error =
    event === 'error' ? (providerError(chunk) ?? { message: 'The provider reported an error' }) : providerError(chunk)
  if (error) return { kind: 'error', error, ...usagePart(chunk) }
  if (!Array.isArray(chunk['choices']))
    return { kind: isRecord(chunk['usage']) ? 'usage' : 'ping', ...usagePart(chunk) }
  const choices = chunk['choices'] as Choice[]
  const failure = failureIn(choices)
  if (failure) return { kind: 'error', error: failure, ...usagePart(chunk) }
  return { ...classifyChoices(choices, isRecord(chunk['usage'])), ...usagePart(chunk) }
}

/** OpenRouter and Mistral say of an answer that broke off that it ended with an error. */
function failureIn(choices: readonly Choice[]): ProviderError | undefined {
  const failed = choices.find((choice) => choice?.finish_reason === 'error')
  return failed && (providerError(failed) ?? { message: 'The provider broke off the answer with an error' })
}

function classifyChoices(choices: readonly Choice[], hasUsage: boolean): EventClass {
  if (choices.length === 0) return { kind: hasUsage ? 'usage' : 'ping' }
  const deltas = choices.map((choice) => (isRecord(choice?.delta) ? (choice.delta as Delta) : {}))
  const finishes = choices.flatMap((choice) => (isText(choice?.finish_reason) ? [number(choice.index) ?? 0] : []))
  const textLength = deltas.reduce((sum, delta) => sum + lengthOf(delta), 0)
  const kind = kindOf(deltas) ?? (finishes.length > 0 ? 'finish' : 'role')
  return { kind, textLength, ...(finishes.length > 0 && { finishes }) }
}

/** The content of a piece as parts: Mistral's models that think write lists of them, all others text. */
export function contentOf({ content }: Pick<Delta, 'content'>): JsonBody[] {
  return isText(content) ? [{ type: 'text', text: content }] : Array.isArray(content) ? content.map(record) : []
}

function kindOf(deltas: readonly Delta[]): EventClass['kind'] | undefined {
  const some = (test: (delta: Delta) => boolean) => deltas.some(test)
  const speaks = (delta: Delta) => contentOf(delta).some((part) => isText(part['text']))
  const thinks = (delta: Delta) => contentOf(delta).some((part) => isText(thoughtIn(part)))
  if (some((delta) => isText(delta.refusal) || isRecord(delta.audio) || speaks(delta))) return 'content'
  if (some((delta) => isText(delta.reasoning) || isText(delta.reasoning_content) || thinks(delta))) return 'reasoning'
  if (
    some(
      ({ tool_calls, function_call }) =>
        (Array.isArray(tool_calls) && tool_calls.length > 0) || isRecord(function_call),
    )
  )
    return 'tool'
  return undefined
}

function lengthOf(delta: Delta): number {
  const parts = contentOf(delta).flatMap((part) => [part['text'], thoughtIn(part)])
  const texts = [...parts, delta.refusal, delta.reasoning, delta.reasoning_content]
  const spoken = texts.reduce<number>((sum, said) => sum + Buffer.byteLength(text(said)), 0)
  const calls = delta.tool_calls ?? delta.function_call
  return spoken + (calls ? Buffer.byteLength(JSON.stringify(calls)) : 0)
}

/** Reads a plain chat completion. */
export function classifyAnswer(body: Uint8Array): AnswerClass {
  if (body.length === 0) return { fault: 'empty' }
  const answer = parseJson(bufferOf(body).toString())
  if (answer === undefined) return { fault: 'parse' }
  const error = providerError(answer)
  if (error) return { error, ...(isRecord(answer) && usagePart(answer)) }
  if (!isRecord(answer) || !Array.isArray(answer['choices'])) return { fault: 'shape' }
  const choices = answer['choices'] as Choice[]
  const said = usagePart(answer)
  const failure = failureIn(choices)
  if (failure) return { error: failure, ...said }
  if (said.usage) return said
  return {
    textLength: choices.reduce(
      (sum, choice) => sum + (isRecord(choice?.message) ? lengthOf(choice.message as Delta) : 0),
      0,
    ),
  }
}

/**
 * The error in a body: OpenAI's `{ error: { message, type, code } }`, a bare `{ error: "text" }`, Mistral's
 * `{ object: "error", message, type, code }`, what FastAPI says in `detail`, or any of them in a list, as Gemini has it.
 */
export function providerError(body: unknown): ProviderError | undefined {
  if (Array.isArray(body)) return isRecord(body[0]) ? providerError(body[0]) : undefined
  if (!isRecord(body)) return undefined
  const error = body['error'] ?? (body['object'] === 'error' ? body : detailIn(body))
  if (typeof error === 'string' && error !== '') return { message: error }
  if (!isRecord(error)) return undefined
  const { message, type, code, status } = error
  const inner = [code, status].find((value) => typeof value === 'number' && value >= 300 && value <= 599) as
    | number
    | undefined
  return {
    message: typeof message === 'string' ? message : 'The provider gave no message',
    ...(typeof type === 'string' && { type }),
    ...(typeof code === 'string' && { code: detailCode(error) ?? code }),
    ...(typeof code !== 'string' && detailCode(error) !== undefined && { code: detailCode(error)! }),
    ...(inner !== undefined && { status: inner }),
  }
}

/** What stands in `detail`, which an answer does not have: words, or a list of what is wrong with which field. */
function detailIn({ detail, choices }: JsonBody): string | undefined {
  if (choices !== undefined) return undefined
  const faults = list(detail).map(record)
  return isText(detail)
    ? detail
    : faults.map(({ loc, msg }) => `${list(loc).join('.')}: ${text(msg)}`).join('; ') || undefined
}

function detailCode(error: Record<string, unknown>): string | undefined {
  const code = isRecord(error['details']) ? error['details']['error_code'] : undefined
  return typeof code === 'string' ? code : undefined
}

/** What was used, where a body says so: Moonshot says it beside the last delta of a stream, and Groq may in a part of its own. */
export function classifyUsage(body: Readonly<Record<string, unknown>>): Usage | undefined {
  const { usage, choices, x_groq: groq, service_tier: tier } = body
  const beside = Array.isArray(choices) ? (choices as { usage?: unknown }[])[0]?.usage : undefined
  const said = usage ?? beside ?? (isRecord(groq) ? groq['usage'] : undefined)
  return normaliseUsage(isRecord(said) && tier !== undefined ? { ...said, service_tier: tier } : said)
}

function usagePart(body: Readonly<Record<string, unknown>>): { usage?: Usage } {
  const usage = classifyUsage(body)
  return usage ? { usage } : {}
}
