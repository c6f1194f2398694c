import type { Clock } from './clock.ts'
import { SignalboxError, isSignalboxError } from './errors.ts'

/**
 * What a promise comes to, or the end of the signal where it is aborted first.
 *
 * @throws SignalboxError as {@link endOf}
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(endOf(signal))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

/** How long something may take, in milliseconds, and the error where it takes longer. */
interface TimeLimit {
  readonly limitMs: number
  readonly clock: Clock
  readonly late: () => Error
}

/** What work comes to, or an error where it takes longer than it may: it may never settle. */
export function inTime<T>(work: T | PromiseLike<T>, { limitMs, clock, late }: TimeLimit): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(late()), limitMs)
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => clock.clearTimeout(timer))
  })
}

/**
 * Waits at least so long, although timers may fire a little early, and leaves at once when the signal is aborted.
 *
 * @throws SignalboxError as {@link endOf}
 */
export function sleep(waitMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clock.clearTimeout(timer)
      reject(endOf(signal))
    }
    const endMs = clock.now() + waitMs
    const wake = () => {
      const leftMs = endMs - clock.now()
      if (leftMs > 0) return void (timer = clock.setTimeout(wake, leftMs))
      signal.removeEventListener('abort', leave)
      resolve()
    }
    let timer = clock.setTimeout(wake, waitMs)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}

/** Why a call was ended from outside: `cancelled` where its caller left, or the error that it was ended with. */
export function endOf({ reason }: AbortSignal): SignalboxError {
  return isSignalboxError(reason) ? reason : new SignalboxError('cancelled', 'The caller left')
}
