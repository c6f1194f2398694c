import type { Clock } from './clock.ts'
import { SignalboxError, isSignalboxError } from './errors.ts'

/**
 * Waits, and leaves at once when the signal is aborted.
 *
 * @throws SignalboxError as {@link endOf}
 */
export function sleep(waitMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clock.clearTimeout(timer)
      reject(endOf(signal))
    }
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    }, waitMs)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}

/** Why a call was ended from outside: `cancelled` where its caller left, or the error that it was ended with. */
export function endOf({ reason }: AbortSignal): SignalboxError {
  return isSignalboxError(reason) ? reason : new SignalboxError('cancelled', 'The caller left')
}
