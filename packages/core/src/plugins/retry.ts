import type { Clock } from '../clock.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { fullJitterDelayMs } from '../retry/backoff.ts'
import type { Attempt } from '../types.ts'

const baseMs = 500
/** The first wait after a rate limit or an overload, which need longer to pass than a slip. */
const crowdedBaseMs = 1_000
const maxMs = 20_000

/** Repeats attempts at one model that may succeed when asked again, while no other model could be asked instead. */
export function retry({ clock, random }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'retry',
    attempt: {
      stage: 'retry',
      async run(first, next) {
        for (let attempt = first; ; attempt = { ...attempt, number: attempt.number + 1 }) {
          try {
            return await next(attempt)
          } catch (error) {
            if (!isSignalboxError(error) || !mayRetry(error, attempt)) throw error
            const waitMs = Math.max(
              error.retryAfterMs ?? 0,
              fullJitterDelayMs({ attempt: attempt.number, baseMs: baseOf(error), maxMs, random }),
            )
            if (clock.now() + waitMs >= attempt.call.deadline) throw error
            await sleep(waitMs, attempt.signal, clock)
          }
        }
      },
    },
  })
}

function mayRetry(error: SignalboxError, { number, candidate, call, alternatives }: Attempt): boolean {
  const { maxAttempts, maxAttemptsPerCall } = candidate.settings.retry
  if (!error.retryable || number >= maxAttempts || call.record.attempts.length >= maxAttemptsPerCall) return false
  return !alternatives.some(({ domain }) => domain !== candidate.domain)
}

const baseOf = ({ code }: SignalboxError) =>
  code === 'upstream_rate_limited' || code === 'upstream_overloaded' ? crowdedBaseMs : baseMs

/** Waits, and leaves at once when the caller does. */
function sleep(waitMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clock.clearTimeout(timer)
      reject(new SignalboxError('cancelled', 'The caller left'))
    }
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    }, waitMs)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}
