import { type SignalboxError, isRefusal, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { AttemptRecord } from '../record.ts'
import { fullJitterDelayMs } from '../retry/backoff.ts'
import { sleep } from '../sleep.ts'
import type { Attempt, CandidateView, Handler, Reply } from '../types.ts'

const baseMs = 500
/** The first wait after a rate limit or an overload, which need longer to pass than a slip. */
const crowdedBaseMs = 1_000
const maxMs = 20_000

/**
 * Repeats attempts at one model that may succeed when asked again, within the model's and the call's bounds and the
 * domain's retry budget. Where a model of another domain can take over at once, it lets that happen instead.
 */
export function retry({ admission, clock, random }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'retry',
    attempt: {
      run: tryAgain,
    },
  })

  // Nearly no attempt fails: what waits for one costs less than a function that waits in a loop.
  function tryAgain(attempt: Attempt, next: Handler<Attempt>): Promise<Reply> {
    return next(attempt).catch(async (error: unknown) => {
      await untilNext(error, attempt)
      return tryAgain({ ...attempt, number: attempt.number + 1 }, next)
    })
  }

  /** Waits until an attempt may be made after one that failed so. Throws where none may. */
  async function untilNext(error: unknown, attempt: Attempt): Promise<void> {
    if (!isSignalboxError(error) || isRefusal(error)) throw error
    const { retryBudget, state } = attempt.candidate
    const leftMs = attempt.call.deadline - clock.now()
    const pauseMs = Math.max(error.retryAfterMs ?? 0, state.readyInMs())
    if (pauseMs >= leftMs) throw tooLate(error)
    const backoffMs = fullJitterDelayMs({ attempt: attempt.number, baseMs: baseOf(error), maxMs, random })
    const waitMs = Math.max(pauseMs, backoffMs)
    if (waitMs >= leftMs || !mayRetry(error, attempt)) throw error
    if (attempt.alternatives.some(takesOver(attempt)) || !retryBudget.tryTake()) throw error
    await sleep(waitMs, attempt.signal, clock)
  }

  /** Whether a model can be asked at once that does not fail together with the one that did, and has not failed by now. */
  function takesOver({ candidate: { domain }, call }: Attempt): (other: CandidateView) => boolean {
    return (other) =>
      other.domain !== domain &&
      other.readyInMs === 0 &&
      other.health !== 'unhealthy' &&
      admission.hasRoom(other.name) &&
      !call.record.attempts.some((one) => one.model === other.name && hasFailed(one))
  }
}

const hasFailed = ({ endedMs, outcome }: AttemptRecord) => endedMs !== undefined && outcome !== 'ok'

function mayRetry(error: SignalboxError, { number, candidate, call }: Attempt): boolean {
  const { maxAttempts, maxAttemptsPerCall } = candidate.settings.retry
  if (!error.retryable || candidate.breaker !== 'closed') return false
  return number < maxAttempts && call.record.attempts.length < maxAttemptsPerCall
}

const crowded: ReadonlySet<number | undefined> = new Set([429, 503, 529])
const baseOf = ({ code, status }: SignalboxError) =>
  code === 'upstream_overloaded' || crowded.has(status) ? crowdedBaseMs : baseMs

/** A pause that outlasts the call is not worth the caller's coming back by itself: it would sleep as long. */
function tooLate(error: SignalboxError): SignalboxError {
  return error.retryAfterMs === undefined ? error : Object.assign(error, { retryable: false })
}
