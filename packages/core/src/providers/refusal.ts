import { bufferOf } from '../buffer.ts'
import type { Clock } from '../clock.ts'
import type { Dialect, ProviderError } from '../dialects/dialect.ts'
import { hasValue, isRecord } from '../dialects/json.ts'
import {
  type SignalboxError,
  type SignalboxErrorCode,
  type SignalboxErrorOptions,
  errorWithoutStack,
} from '../errors.ts'
import type { EventBus } from '../events.ts'
import { parseRetryAfterMs } from '../retry/retry-after.ts'
import { redact, redactBytes } from './secrets.ts'
import { codeOfRefusal, impliedStatus, mayMoveOn, withCode } from './failure.ts'

/** A provider's refusal as it came over the wire. */
export interface RefusalParts {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The whole body; undefined where the error stood in a stream. */
  readonly body: Uint8Array | undefined
  readonly error?: ProviderError
  readonly dialect: Dialect
  readonly secrets: readonly string[]
  readonly model: string
  readonly clock: Clock
  readonly events: EventBus
}

/** Codes whose provider's words are for the operator, not for the caller. */
const operatorsOwn: Partial<Record<SignalboxErrorCode, string>> = {
  provider_auth_failed: 'The provider refused the key it was given',
  provider_model_not_found: 'The provider does not have the model',
}

/** What is said in place of that where no key was sent. */
export const keyMissing = 'The provider asks for a key, and none is configured for the model'

/** Makes the error of a refusal: what it means, when to come back, and the provider's own answer where it may be passed on. */
export function refusalError(parts: RefusalParts): SignalboxError {
  const { headers, dialect, secrets, model, clock, events } = parts
  const body = parts.body && parseJson(parts.body)
  const given = parts.error ?? dialect.providerError(body)
  const status = parts.status === 200 && given ? impliedStatus(given) : parts.status
  const error = given && withCode(given, status)
  const meant = codeOfRefusal({ status, error })
  const isMute = meant === 'upstream_error' && !error
  const code = isMute ? 'bad_upstream_response' : meant
  const { delayMs, ignored } = parseRetryAfterMs(headers, clock.wallTime())
  if (ignored !== undefined)
    events.emit('warning', {
      kind: 'ignored_retry_after',
      model,
      message: `A header made no sense and was ignored: ${redact(ignored, secrets)}`,
    })
  const own = code === 'provider_auth_failed' && secrets.length === 0 ? keyMissing : operatorsOwn[code]
  const said = redact(error?.message ?? `The provider answered with status ${status}`, secrets)
  const options: SignalboxErrorOptions = {
    model,
    status,
    cause: own ? new Error(said) : undefined,
    ...(isMute && { retryable: true, reason: 'status' }),
    ...(code === 'upstream_rejected' && mayMoveOn({ status, error }) && { movesOn: true }),
    ...(!hopeless.has(code) && verdict(headers['x-should-retry'])),
    ...(delayMs !== undefined && { retryAfterMs: delayMs }),
    ...(error && !own && { answer: answerIn(parts, body, { ...error, message: said }, status) }),
    ...(error?.code !== undefined && { reason: redact(error.code, secrets) }),
  }
  const { usage } = parts.body && mayTellUsage(parts.body) ? dialect.classifyAnswer(parts.body) : {}
  return errorWithoutStack(code, own ?? said, { ...options, ...(usage && { billed: { usage, estimated: false } }) })
}

/** Every dialect calls it so. Few refusals do, and the others need not be read once more. */
const mayTellUsage = (body: Uint8Array) => bufferOf(body).includes('usage')

/** Refusals that no repetition mends, whatever the provider says. */
const hopeless: ReadonlySet<SignalboxErrorCode> = new Set([
  'upstream_quota_exhausted',
  'provider_auth_failed',
  'provider_model_not_found',
])

function verdict(shouldRetry: string | string[] | undefined): Pick<SignalboxErrorOptions, 'retryable'> {
  return shouldRetry === 'true' ? { retryable: true } : shouldRetry === 'false' ? { retryable: false } : {}
}

/** What the caller gets: the provider's own words as they came, or in its dialect's shape where they came in another one. */
function answerIn(
  { headers, body, dialect, secrets }: RefusalParts,
  read: unknown,
  error: ProviderError,
  status: number,
) {
  const type = headers['content-type']
  return body && isShaped(read)
    ? answerOf(status, typeof type === 'string' ? type : jsonType, redactBytes(body, secrets))
    : answerOf(status, jsonType, redactBytes(Buffer.from(JSON.stringify(dialect.told(error))), secrets))
}

const isShaped = (body: unknown) => isRecord(body) && (hasValue(body['error']) || body['object'] === 'error')

const jsonType = 'application/json'

const answerOf = (status: number, type: string, body: Uint8Array) => ({
  status,
  headers: { 'content-type': type },
  body,
})

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as unknown
  } catch {
    return undefined
  }
}
