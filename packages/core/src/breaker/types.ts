import type { TripReason } from './trip-rules.ts'

/** `closed` lets everyone through, `open` no one, `half-open` a few probes. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** A change of state and why. `retryAfterMs` is the time to the next probe, 0 unless `to` is `open`. */
export interface BreakerChange {
  readonly from: BreakerState
  readonly to: BreakerState
  readonly reason: TripReason | 'probe-failed' | 'probe-succeeded' | 'open-time-over'
  readonly retryAfterMs: number
}

/**
 * Leave to make one call. The first of the three to be called counts, the rest do nothing; so does all that comes
 * after the breaker has left the state in which the permit was taken, or after a probe's lease has ended.
 */
export interface Permit {
  success(): void
  failure(): void
  /** Gives the permit back without a verdict: the caller went away, the call was refused elsewhere, a rate limit. */
  ignore(): void
}

/** What a breaker has in mind at one instant. `calls` and `failures` are those of the failure-rate window. */
export interface BreakerSnapshot {
  readonly state: BreakerState
  readonly retryAfterMs: number
  /** Trips since the breaker was last closed. */
  readonly trips: number
  /** Permits out while half-open. */
  readonly probes: number
  readonly consecutiveFailures: number
  readonly calls: number
  readonly failures: number
}

export interface Breaker {
  /** The state as of now. Reading it moves nothing: an open breaker past its time reads `half-open`. */
  readonly state: BreakerState
  /**
   * Asks to make a call; `undefined` is a refusal. Half-open, the permit comes back by itself after `permitLeaseMs`,
   * so that a lost one can never keep the breaker half-open.
   *
   * @param permitLeaseMs at least the time limit of the call. Default 600_000.
   */
  tryAcquire(permitLeaseMs?: number): Permit | undefined
  /**
   * Milliseconds until a permit can be had, 0 if one can be had now. While probes are out: until the first lease
   * ends, but no longer than one open time, since a probe's verdict is expected sooner.
   */
  retryAfterMs(): number
  snapshot(): BreakerSnapshot
}
