import type { ProviderError } from '../dialects/dialect.ts'
import { type SignalboxError, type SignalboxErrorCode, errorWithoutStack, isSignalboxError } from '../errors.ts'

/** What a refusal is called that a model with a larger context window may not share. */
export const contextLengthExceeded = 'context_length_exceeded'

/** What a refusal is called of a request that alone is more than a limit per minute: no pause makes room for it. */
const requestTooLarge = 'request_too_large'

/** What a refusal is called of a request that the provider's moderation does not let through. */
const contentFilter = 'content_filter'

/** Codes and types that say: no more money, or no more quota. Waiting does not help, so nothing is retried. */
const exhausted: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'billing_hard_limit_reached',
  'billing_not_active',
  'project_spend_limit_exceeded',
  'organization_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
  'enforced_spend_limit_reached',
  'billing_error',
])

/** The status that an error stands for which came without one: inside a 200, or inside a stream. */
const statusOfName: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  context_length_exceeded: 400,
  authentication_error: 401,
  billing_error: 402,
  invalid_api_key: 401,
  permission_error: 403,
  permission_denied: 403,
  not_found_error: 404,
  model_not_found: 404,
  request_too_large: 413,
  timeout_error: 504,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  slow_down: 429,
  tokens: 429,
  requests: 429,
  server_error: 500,
  api_error: 500,
  internal_server_error: 500,
  server_is_overloaded: 503,
  overloaded_error: 529,
}

/** Statuses of a provider with too much to do; 498 is Groq's for its flexible tier. */
const crowded: ReadonlySet<number> = new Set([498, 503, 529])

const overloaded: ReadonlySet<string> = new Set(['server_is_overloaded', 'overloaded_error'])

/**
 * What some say in words only, with the code that others have for it. The first is Anthropic's when there is no money or a
 * limit of one's own is reached; the second is OpenRouter's moderation, with a 403. In turn, those after them are of
 * Anthropic (two); of OpenAI, vLLM, DeepSeek, Mistral and OpenRouter; of OpenAI's responses; of Gemini; of xAI; and of
 * llama.cpp.
 */
const wordings: readonly (readonly [RegExp, string])[] = [
  [/^your credit balance is too low|^you have reached your specified .{0,20}usage limits/i, 'credit_balance_exhausted'],
  [/\byour input was flagged\b/i, contentFilter],
  [/prompt is too long|exceed context limit|maximum context length|exceeds the context window/i, contextLengthExceeded],
  [/exceeds the maximum number of tokens|maximum prompt length|exceeds the available context/i, contextLengthExceeded],
]

/** Statuses that may mean any of it. Too many tokens in a minute are a 429. */
const vague: ReadonlySet<number> = new Set([400, 403, 413, 422])

/** OpenAI says so with a 429, Groq with a 413. */
const beyondLimit = /^request too large for\b/i
const ofLimits: ReadonlySet<number> = new Set([413, 429])

/** An error with the code that its words stand for. */
export function withCode(error: ProviderError, status: number): ProviderError {
  if (ofLimits.has(status) && beyondLimit.test(error.message)) return { ...error, code: requestTooLarge }
  const found = vague.has(status) ? wordings.find(([words]) => words.test(error.message)) : undefined
  return found ? { ...error, code: found[1] } : error
}

/** Statuses of what is wrong with a request at any provider; other refusals of it may be one provider's alone. */
const ofTheRequest: ReadonlySet<number> = new Set([400, 403, 409, 413, 415, 422])

/** Whether another model may take a request that was rejected so. */
export const mayMoveOn = ({ status, error }: Refusal): boolean =>
  !ofTheRequest.has(status) || error?.code === requestTooLarge

/** A provider's refusal, as it came. */
export interface Refusal {
  readonly status: number
  readonly error: ProviderError | undefined
}

/** The status of an error that came inside a success. */
export function impliedStatus(error: ProviderError): number {
  return error.status ?? statusOf(error.code) ?? statusOf(error.type) ?? 502
}

const statusOf = (name: string | undefined) =>
  name !== undefined && Object.hasOwn(statusOfName, name) ? statusOfName[name] : undefined

/**
 * What a provider's refusal means. This decides on status, `type` and `code` together, and with
 * `errorVerdicts` it is the one place that says what is retried and what moves on.
 */
export function codeOfRefusal({ status, error }: Refusal): SignalboxErrorCode {
  const names = [error?.code, error?.type].filter((name) => name !== undefined)
  if (status === 402 || names.some((name) => exhausted.has(name))) return 'upstream_quota_exhausted'
  if (error?.code === requestTooLarge) return 'upstream_rejected'
  if (status === 429) return 'upstream_rate_limited'
  if (status === 403 && names.includes(contentFilter)) return 'upstream_rejected'
  // OpenAI's answer where a project may not use a model: the key is well.
  if (status === 404 || (status === 403 && names.includes('model_not_found'))) return 'provider_model_not_found'
  if (status === 401 || status === 403) return 'provider_auth_failed'
  if (status === 408) return 'upstream_error'
  if (crowded.has(status) || names.some((name) => overloaded.has(name))) return 'upstream_overloaded'
  if (status >= 500) return 'upstream_error'
  if (status >= 400) return 'upstream_rejected'
  return 'bad_upstream_response'
}

const tlsCodes = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO)/
const protocolCodes = /^(HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_)/
const connectCodes =
  /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL|UND_ERR_CONNECT|UND_ERR_DESTROYED|UND_ERR_CLOSED)/

/** What a connection's error means. `answered` says whether any of the answer had come. */
export function failureOfConnection(error: unknown, answered: boolean, model: string): SignalboxError {
  if (isSignalboxError(error)) return error
  const code = codeOf(error)
  const options = { cause: error, model }
  if (tlsCodes.test(code))
    return errorWithoutStack('upstream_tls', 'No secure connection to the provider could be made', options)
  if (protocolCodes.test(code) || isParserError(error))
    return errorWithoutStack('bad_upstream_response', 'The provider did not answer in HTTP', {
      ...options,
      reason: 'protocol',
    })
  if (answered)
    return errorWithoutStack('bad_upstream_response', "The provider's answer broke off", {
      ...options,
      reason: 'truncated',
    })
  if (connectCodes.test(code))
    return errorWithoutStack('upstream_unreachable', 'The provider could not be reached', options)
  return errorWithoutStack('upstream_reset', 'The provider closed the connection without an answer', options)
}

/** What it means that there was no key to send. */
export function failureOfKey(cause: unknown, model: string): SignalboxError {
  return errorWithoutStack('provider_auth_failed', 'The key for the provider could not be had', { cause, model })
}

/** The error for an attempt that took too long: the provider's time was up, or that of the whole call. */
export function failureOfTime(isOfCall: boolean, model: string): SignalboxError {
  if (isOfCall) return errorWithoutStack('deadline_exceeded', "The call's time is up", { model })
  return errorWithoutStack('upstream_timeout', 'The provider did not answer in time', { model })
}

/** How a stream breaks after its first content. */
export type StreamFailure = 'stream_interrupted' | 'stream_truncated' | 'stream_timeout' | 'deadline_exceeded'

const wordsOfStreams: Readonly<Record<StreamFailure, string>> = {
  stream_interrupted: 'The provider broke off the stream',
  stream_truncated: 'The provider ended the stream before the answer was finished',
  stream_timeout: 'The provider fell silent in the middle of the stream',
  deadline_exceeded: "The call's time is up",
}

/** The error that ends a stream for its reader. */
export function failureOfStream(
  code: StreamFailure,
  model: string,
  { message = wordsOfStreams[code], cause }: { readonly message?: string | undefined; readonly cause?: unknown } = {},
): SignalboxError {
  return errorWithoutStack(code, message, { model, cause })
}

/** An answer that nobody can use, as it came with a status. */
interface UnusableAnswer {
  /** What is wrong with it, in a word. */
  readonly reason: string
  readonly cause: unknown
  readonly status: number
  readonly model: string
}

/** What it means that an answer cannot be used. Its status says something only where that is not 200. */
export function unusableAnswer({ status, ...about }: UnusableAnswer): SignalboxError {
  return errorWithoutStack('bad_upstream_response', 'The provider gave no usable answer', {
    ...about,
    ...(status !== 200 && { status }),
  })
}

/** undici's parser leaves out its code. */
const isParserError = (error: unknown) => error instanceof Error && error.name === 'HTTPParserError'

function codeOf(error: unknown): string {
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: readonly unknown[] }
  if (typeof code === 'string') return code
  const inner = cause ?? errors?.[0]
  return typeof inner === 'object' && inner !== null ? codeOf(inner) : ''
}
