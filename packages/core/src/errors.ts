import type { Usage } from './types.ts'

const brand = Symbol.for('signalbox.error')

/** What each code means by itself: whether the same model may succeed when asked again, and whether another one may. */
interface Verdict {
  readonly retryable: boolean
  readonly movesOn: boolean
}

const final: Verdict = { retryable: false, movesOn: false }
const next: Verdict = { retryable: false, movesOn: true }
const again: Verdict = { retryable: true, movesOn: true }

/**
 * Every code a {@link SignalboxError} can carry. The set is closed: a new behaviour gets a new code here, a row in
 * `http/errors.ts` and a row in the documentation, and a test holds the three together.
 */
export const errorVerdicts = {
  // The host's own mistakes, found at start or in a plugin.
  invalid_config: final,
  body_consumed: final,
  plugin_failed: final,
  plugin_timeout: final,
  internal_error: final,

  // The caller's mistakes, refused before anything is sent.
  invalid_json: final,
  invalid_body: final,
  model_not_found: final,
  route_not_allowed: final,
  untranslatable: next,
  thread_unsupported_request: final,
  state_unsupported: final,
  unauthenticated: final,
  invalid_api_key: final,
  forbidden: final,
  not_found: final,
  method_not_allowed: final,
  request_too_large: final,
  idempotency_mismatch: final,
  refused: final,

  // The caller left, the call's time is up, or the host is shutting down.
  cancelled: final,
  deadline_exceeded: final,
  shutting_down: final,

  // A limit, or every model of a route, leaves no room now.
  rate_limit_exceeded: again,
  limit_exceeded: final,

  // Money.
  budget_exceeded: final,
  max_cost_exceeded: next,
  price_unknown: next,
  ledger_unavailable: final,
  store_unavailable: final,
  all_models_unavailable: final,
  model_unavailable: next,
  context_length_exceeded: final,

  // The provider said no.
  upstream_rejected: final,
  upstream_rate_limited: again,
  upstream_quota_exhausted: next,
  upstream_overloaded: again,
  upstream_error: again,
  provider_auth_failed: next,
  provider_model_not_found: next,

  // The provider could not be reached, or what it sent is no answer.
  upstream_unreachable: next,
  upstream_tls: next,
  upstream_reset: again,
  upstream_timeout: next,
  bad_upstream_response: next,
  answer_rejected: next,

  // A stream that broke after its first content was on its way to the caller.
  stream_interrupted: final,
  stream_truncated: final,
  stream_timeout: final,
} as const satisfies Record<string, Verdict>

/** A code of the closed set, in lower snake case. */
export type SignalboxErrorCode = keyof typeof errorVerdicts

/** A provider's own error answer, kept to be passed on as it came. Secrets are already taken out of it. */
export interface UpstreamAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What went wrong in one attempt, as it is told when every attempt failed. */
export interface AttemptFailure {
  readonly model: string
  readonly code: SignalboxErrorCode
  readonly message: string
  readonly status?: number
}

/** A limit that left no room. */
export interface ReachedLimit {
  readonly kind: 'requests' | 'tokens' | 'concurrency'
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until the limit is whole again; undefined where only another call's end can free it. */
  readonly resetMs: number | undefined
}

/** What a provider bills for an attempt that failed. */
export interface Billed {
  readonly usage: Usage
  /** Whether it was counted here because the provider did not say. */
  readonly estimated: boolean
}

/** The optional parts of a {@link SignalboxError}. */
export interface SignalboxErrorOptions {
  /** What caused it, for the operator only: never shown to a caller. */
  cause?: unknown
  /** Whether the same model may succeed when asked again. Defaults to what the code says. */
  retryable?: boolean
  /** Whether another model may succeed. Defaults to what the code says. */
  movesOn?: boolean
  /** How long to wait before asking again, in milliseconds. */
  retryAfterMs?: number
  /** The model, by its name in the configuration. */
  model?: string
  /** The plugin in which it happened. */
  plugin?: string
  /** The request's field that is at fault. */
  param?: string
  /** The HTTP status a provider answered with. */
  status?: number
  /** The provider's own error answer. */
  answer?: UpstreamAnswer
  /** A word on what was wrong, finer than the code: `empty`, `parse`, `content_type`. */
  reason?: string
  /** The limit that left no room. */
  limit?: ReachedLimit
  /** What the attempt may be billed for although it failed; absent where it can't be. */
  billed?: Billed
}

/**
 * The one error of Signalbox. Its `code` says what happened; its message is safe to show to a caller (no address, key,
 * path or stack), and `cause` keeps the rest for the operator.
 *
 * @example
 * try { await router.handle(call) } catch (error) {
 *   if (isSignalboxError(error) && error.code === 'deadline_exceeded') return giveUp()
 * }
 */
export class SignalboxError extends Error {
  readonly code: SignalboxErrorCode
  readonly retryable: boolean
  readonly movesOn: boolean
  readonly retryAfterMs?: number
  readonly model?: string
  readonly plugin?: string
  readonly param?: string
  readonly status?: number
  /** In the caller's dialect by the time it reaches the caller. */
  answer?: UpstreamAnswer
  readonly reason?: string
  readonly limit?: ReachedLimit
  /** Set where the attempt is known, after the error is made. */
  billed?: Billed
  /** What each attempt failed with, oldest first; empty where none was made. */
  failures: readonly AttemptFailure[] = []

  constructor(code: SignalboxErrorCode, message: string, options: SignalboxErrorOptions = {}) {
    const { cause, ...rest } = options
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SignalboxError'
    this.code = code
    this.retryable = errorVerdicts[code].retryable
    this.movesOn = errorVerdicts[code].movesOn
    Object.assign(this, rest)
    Object.defineProperty(this, brand, { value: true })
    if (this.answer) Object.defineProperty(this, 'answer', { enumerable: false })
  }
}

/**
 * An error without a stack, for what a provider answers or a limit refuses: nothing of ours is at fault there, and the
 * lines of ours that heard of it take longer to gather than all else that is done about an attempt that failed.
 */
export function errorWithoutStack(
  code: SignalboxErrorCode,
  message: string,
  options?: SignalboxErrorOptions,
): SignalboxError {
  const { stackTraceLimit } = Error
  // A host may have frozen what is built in: then there is a stack.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return new SignalboxError(code, message, options)
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/**
 * Whether a model was not asked at all: money, a limit, a hold or its breaker kept the attempt back, or the request has
 * no words in its dialect. That is no failure of the model.
 */
export function isRefusal(error: Pick<SignalboxError, 'code'>): boolean {
  return refusals.has(error.code) || isMoneyRefusal(error)
}

const refusals: ReadonlySet<SignalboxErrorCode> = new Set([
  'rate_limit_exceeded',
  'limit_exceeded',
  'model_unavailable',
  'untranslatable',
])

/** Whether money kept an attempt back. */
export function isMoneyRefusal({ code }: Pick<SignalboxError, 'code'>): boolean {
  return moneyCodes.has(code)
}

const moneyCodes: ReadonlySet<SignalboxErrorCode> = new Set(['budget_exceeded', 'max_cost_exceeded', 'price_unknown'])

/** Tells a {@link SignalboxError}, also one made by another copy of this package. */
export function isSignalboxError(error: unknown): error is SignalboxError {
  return typeof error === 'object' && error !== null && brand in error
}

/** What the reader of a stream that broke is told: an error of ours in its own words. */
export function brokenOff(error: unknown): SignalboxError {
  return isSignalboxError(error) ? error : new SignalboxError('stream_interrupted', 'The stream broke off')
}

/** The same error for another call, with what is different there: an error belongs to one. */
export function errorForAnother(error: SignalboxError, different: SignalboxErrorOptions = {}): SignalboxError {
  const { name: _name, code, message, cause, answer, failures: _failures, billed: _billed, ...options } = error
  return new SignalboxError(code, message, { ...options, cause, ...(answer && { answer }), ...different })
}
