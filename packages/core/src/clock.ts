import { performance } from 'node:perf_hooks'

/** What a started timer is known by. Opaque: hand it to {@link Clock.clearTimeout}. */
export type Timer = object

/**
 * Where all time comes from. Everything that waits or measures takes a clock, so that tests and simulations run on a
 * fake one.
 */
export interface Clock {
  /** Monotonic milliseconds. Only differences mean anything; it never jumps. */
  now(): number
  /** Milliseconds since the Unix epoch, as the machine's clock says; it may jump. */
  wallTime(): number
  /** Calls `run` once after `delayMs` milliseconds. A waiting timer does not keep the process alive. */
  setTimeout(run: () => void, delayMs: number): Timer
  /** Takes a timer back; one that has run, or none at all, is ignored. */
  clearTimeout(timer: Timer | undefined): void
}

/** Numbers in [0, 1), as `Math.random` gives them. */
export type Random = () => number

/** Chance that can be had again: the same seed gives the same numbers. The generator is mulberry32, by Tommy Ettinger. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The longest delay Node's timers keep; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1

/** Keeps the process alive from each start to the next stop, and never again after the end. */
export function createKeepAlive(): { start(): void; stop(): void; end(): void } {
  const timer = setInterval(() => undefined, longestDelayMs).unref()
  return { start: () => void timer.ref(), stop: () => void timer.unref(), end: () => clearInterval(timer) }
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout: (run, delayMs) => setTimeout(run, Math.min(delayMs, longestDelayMs)).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
}
