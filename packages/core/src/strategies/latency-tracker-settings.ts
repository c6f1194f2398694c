export interface LatencyTrackerOptions {
  /**
   * After this long a sample weighs 1/e, in milliseconds.
   *
   * @default 10_000
   */
  decayMs?: number
  /**
   * A sample fades no faster than to 1/e in this many calls, so that under sparse traffic what was learned lasts and
   * a slow model is tried again every so many calls, not at every other one.
   *
   * @default 10
   */
  decayCalls?: number
  /**
   * What a failure or a 429 scores at least, in milliseconds, however fast it came.
   *
   * @default 5_000
   */
  penaltyMs?: number
  /**
   * What failures in a row, each scored at twice the estimate before it, score at most, in milliseconds.
   *
   * @default 60_000
   */
  maxPenaltyMs?: number
  /**
   * What an unknown candidate counts as while no other is known, in milliseconds.
   *
   * @default 1_000
   */
  initialMs?: number
}

/** Fills in the defaults and refuses what makes no sense, saying what came instead. */
export function latencyTrackerSettings(options: LatencyTrackerOptions): Required<LatencyTrackerOptions> {
  const all = { decayMs: 10_000, decayCalls: 10, penaltyMs: 5_000, maxPenaltyMs: 60_000, initialMs: 1_000, ...options }
  for (const [name, value] of Object.entries(all)) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw new RangeError(`latency tracker: ${name} must be a finite number above 0, got ${String(value)}`)
    }
  }
  return all
}
