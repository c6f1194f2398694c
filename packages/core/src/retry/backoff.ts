import type { Random } from '../clock.ts'

/** How long to wait before one more attempt. */
export interface Backoff {
  /** The number of the attempt that failed, from 1. */
  attempt: number
  /** The upper end of the first wait, in milliseconds; it doubles with each attempt. */
  baseMs: number
  /** The upper end of any wait, in milliseconds. */
  maxMs: number
  random: Random
}

/**
 * A wait drawn evenly from 0 up to `min(maxMs, baseMs * 2 ** (attempt - 1))`, so that callers which failed together do
 * not come back together.
 *
 * Source: "full jitter" in AWS Architecture Blog, Exponential Backoff and Jitter (2015).
 *
 * @example
 * fullJitterDelayMs({ attempt: 2, baseMs: 500, maxMs: 20_000, random: () => 0.5 }) // 500
 */
export function fullJitterDelayMs({ attempt, baseMs, maxMs, random }: Backoff): number {
  return random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1))
}
