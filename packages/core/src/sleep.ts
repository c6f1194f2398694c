import type { Clock } from './clock.ts'
import { SignalboxError } from './errors.ts'

/**
 * Waits, and leaves at once when the caller does.
 *
 * @throws SignalboxError `cancelled`
 */
export function sleep(waitMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
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
