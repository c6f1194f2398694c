import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { Hold } from '../holds/holds.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Attempt, Handler, Reply } from '../types.ts'

/** How long a provider that asked for no time in particular is left alone after a rate limit. */
const rateLimitHoldMs = 1_000
/** How long a domain is left alone whose quota is used up: nobody buys more in less. */
const quotaHoldMs = 300_000
/** How long a domain is left alone whose key was refused. */
const keyHoldMs = 60_000
/** How long a domain is left alone whose key could not be had: what keeps it may be back at once. */
const noKeyHoldMs = 1_000

/**
 * Keeps calls away from what has said no for a time: a model at its provider after a rate limit or where the key may not
 * use it, a whole domain whose key is refused or whose quota is used up. A call that may wait goes on to the limiter, where
 * a rate limit ends in time.
 */
export function hold({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'hold',
    attempt: {
      run(attempt, next) {
        const held = attempt.candidate.state.hold()
        if (held) refuseUnlessWorthWaiting(held, attempt, clock.now())
        return next(attempt)
      },
    },
  })
}

/** Sends an attempt on, and holds what a refusal speaks of. The limiter does so, before it gives back what lets the next one go. */
export function sendHolding(attempt: Attempt, next: Handler<Attempt>): Promise<Reply> {
  return next(attempt).catch((error: unknown) => {
    if (isSignalboxError(error)) remember(error, attempt)
    throw error
  })
}

/**
 * A rate limit that ends in time is waited for in the limiter's queue.
 *
 * @throws SignalboxError for any other hold
 */
export function refuseUnlessWorthWaiting(
  { untilMs, reason }: Hold<SignalboxError>,
  attempt: Attempt,
  now: number,
): void {
  const limited = reason.code === 'upstream_rate_limited'
  const endsInTime = limited && untilMs < attempt.deadline
  if (endsInTime && attempt.mayWait) return
  const code = limited ? 'rate_limit_exceeded' : 'model_unavailable'
  const message = limited ? 'The provider asked for a pause' : 'The provider refused the account'
  throw new SignalboxError(code, message, {
    model: attempt.candidate.name,
    retryAfterMs: untilMs - now,
    retryable: endsInTime,
    cause: reason,
  })
}

/** Holds what a refusal speaks of. A 403 takes the key and says what it may not be used for: other models may be open to it. */
function remember(error: SignalboxError, { candidate: { state } }: Attempt): void {
  if (error.code === 'upstream_rate_limited') {
    state.penalty.cut()
    const wholeDomain = error.reason !== undefined && /organization|account|project/.test(error.reason)
    state.holdFor(wholeDomain ? 'domain' : 'model', error.retryAfterMs ?? rateLimitHoldMs, error)
  } else if (error.code === 'upstream_quota_exhausted')
    state.holdFor('domain', Math.max(quotaHoldMs, error.retryAfterMs ?? 0), error)
  else if (error.code === 'provider_auth_failed')
    state.holdFor(
      error.status === 403 ? 'model' : 'domain',
      error.status === undefined ? noKeyHoldMs : keyHoldMs,
      error,
    )
}
