import type { BreakerSettings, FailureRateSettings } from './settings.ts'

/** Why a closed breaker opened. */
export type TripReason = 'consecutive-failures' | 'failure-rate'

/** What a trip rule has counted: the judged calls it remembers, and how many of them failed. */
interface Counts {
  calls: number
  failures: number
}

/** Decides when failures open a closed breaker. It sees every judged call and knows nothing of states or permits. */
export interface TripRule {
  readonly reason: TripReason
  success(nowMs: number): void
  /** Counts a failure; true when the breaker must open. */
  failure(nowMs: number): boolean
  /** Forgets everything. */
  reset(): void
  counts(nowMs: number): Counts
}

/** The rules that the settings ask for. */
export function createTripRules({ consecutiveFailures, failureRate }: BreakerSettings): TripRule[] {
  const rules: TripRule[] = []
  if (consecutiveFailures !== false) rules.push(consecutiveFailuresRule(consecutiveFailures))
  if (failureRate !== false) rules.push(failureRateRule(failureRate))
  return rules
}

/** Opens at the `limit`th failure in a row. */
export function consecutiveFailuresRule(limit: number): TripRule {
  let failures = 0
  const reset = () => void (failures = 0)
  return {
    reason: 'consecutive-failures',
    success: reset,
    failure: () => ++failures >= limit,
    reset,
    counts: () => ({ calls: failures, failures }),
  }
}

const bucketCount = 20

/**
 * Opens when the window holds at least `minimumCalls` and at least `threshold` of them failed. The window slides in
 * twentieths, so that it covers between 95 and 100 % of `windowMs`.
 */
export function failureRateRule({ threshold, minimumCalls, windowMs }: FailureRateSettings): TripRule {
  const bucketMs = windowMs / bucketCount
  const calls = new Uint32Array(bucketCount)
  const failures = new Uint32Array(bucketCount)
  const total: Counts = { calls: 0, failures: 0 }
  let newest = 0

  function slotAt(nowMs: number): number {
    const bucket = Math.floor(nowMs / bucketMs)
    if (bucket > newest) advanceTo(bucket)
    return newest % bucketCount
  }

  function advanceTo(bucket: number) {
    for (let left = Math.max(newest, bucket - bucketCount) + 1; left <= bucket; left++) empty(left % bucketCount)
    newest = bucket
  }

  function empty(slot: number) {
    total.calls -= calls[slot]!
    total.failures -= failures[slot]!
    calls[slot] = failures[slot] = 0
  }

  function success(nowMs: number) {
    calls[slotAt(nowMs)]!++
    total.calls++
  }

  function failure(nowMs: number) {
    success(nowMs)
    failures[slotAt(nowMs)]!++
    total.failures++
    return total.calls >= minimumCalls && total.failures >= threshold * total.calls
  }

  function reset() {
    calls.fill(0)
    failures.fill(0)
    total.calls = total.failures = 0
  }

  function counts(nowMs: number): Counts {
    slotAt(nowMs)
    return { ...total }
  }

  return { reason: 'failure-rate', success, failure, reset, counts }
}
