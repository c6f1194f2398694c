import { performance } from 'node:perf_hooks'

/** A handle to a timer; only good for handing back to `clearTimeout`. */
export type Timer = object

/**
 * Where time comes from. `@signalbox/core` has the same interface, so that a fake clock fits both.
 */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. Never jumps. */
  now(): number
  /** Milliseconds since the Unix epoch. May jump. */
  wallTime(): number
  /** Runs `run` once, `delayMs` milliseconds from now. A waiting timer does not keep the process alive. */
  setTimeout(run: () => void, delayMs: number): Timer
  /** Forgets a timer. A timer that has run, was cleared or is `undefined` is left alone. */
  clearTimeout(timer: Timer | undefined): void
}

// A longer delay would make Node's timers fire at once.
const longestDelayMs = 2 ** 31 - 1

/** The machine's own clock: what the servers of this package use unless they are given another. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout: (run, delayMs) => setTimeout(run, Math.min(delayMs, longestDelayMs)).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
}

/** Resolves after `delayMs` milliseconds of `clock`, or as soon as `signal` aborts. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.setTimeout(finish, delayMs)
    signal.addEventListener('abort', finish, { once: true })
    function finish() {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
  })
}
