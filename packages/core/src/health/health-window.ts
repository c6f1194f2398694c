import type { Clock } from '../clock.ts'
import { createHistogram } from './histogram.ts'
import type { Histogram } from './histogram.ts'
import { healthSettings } from './settings.ts'
import type { HealthOptions, HealthSettings, HealthThresholds } from './settings.ts'

export type { HealthOptions } from './settings.ts'

export type HealthState = 'healthy' | 'degraded' | 'unhealthy'

/** How one call to the model ended. */
export interface HealthSample {
  /**
   * `rate-limited` and `ignored` (an abort, the caller's own fault) say nothing of the model's health and are not
   * counted at all.
   */
  readonly outcome: 'success' | 'failure' | 'timeout' | 'rate-limited' | 'ignored'
  /** To the end of the answer. Counted for successes and timeouts; a failure is often fast and would flatter. */
  readonly latencyMs?: number
  /** To the first content of a stream. Counted for successes and timeouts. */
  readonly firstTokenMs?: number
}

/** What the window says. Times are `undefined` and rates 0 while nothing was counted. */
export interface HealthSnapshot {
  /** Judged calls: successes, failures and timeouts. */
  readonly calls: number
  /** Failures and timeouts as a share of the judged calls. */
  readonly errorRate: number
  readonly timeoutRate: number
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly firstTokenP50Ms: number | undefined
  readonly state: HealthState
}

export interface HealthWindow {
  /** The state, at most `stateMaxAgeMs` old. */
  readonly state: HealthState
  record(sample: HealthSample): void
  /** As of now, computed afresh. */
  snapshot(): HealthSnapshot
}

interface Tally {
  calls: number
  errors: number
  timeouts: number
  readonly latency: Histogram
  readonly firstToken: Histogram
}

const bucketCount = 20

/**
 * The passive health of one model: what its own calls showed in the last minutes. The window slides in twentieths, so
 * that it covers between 95 and 100 % of `windowMs`; a recovery shows as bad buckets leave. Memory is fixed (30 kB) and
 * recording takes constant time.
 *
 * @example
 * const health = createHealthWindow({}, systemClock)
 * health.record({ outcome: 'success', latencyMs: 720 })
 * health.state // 'healthy'
 */
export function createHealthWindow(options: HealthOptions, clock: Clock): HealthWindow {
  const settings = healthSettings(options)
  const bucketMs = settings.windowMs / bucketCount
  const buckets = Array.from({ length: bucketCount }, createTally)
  const total = createTally()
  let newest = 0
  let state: HealthState = 'healthy'
  let stateUntilMs = -Infinity

  function record(sample: HealthSample) {
    if (sample.outcome === 'rate-limited' || sample.outcome === 'ignored') return
    advance(clock.now())
    count(buckets[newest % bucketCount]!, sample)
    count(total, sample)
  }

  function advance(now: number) {
    const bucket = Math.floor(now / bucketMs)
    for (let left = Math.max(newest, bucket - bucketCount) + 1; left <= bucket; left++) {
      drop(total, buckets[left % bucketCount]!)
    }
    newest = Math.max(newest, bucket)
  }

  function snapshot(): HealthSnapshot {
    advance(clock.now())
    const { calls, errors, timeouts, latency, firstToken } = total
    const seen = {
      calls,
      errorRate: calls && errors / calls,
      timeoutRate: calls && timeouts / calls,
      p50Ms: latency.percentileMs(0.5),
      p99Ms: latency.percentileMs(0.99),
      firstTokenP50Ms: firstToken.percentileMs(0.5),
    }
    return { ...seen, state: judge(seen, settings) }
  }

  function currentState() {
    const now = clock.now()
    if (now >= stateUntilMs) {
      state = snapshot().state
      stateUntilMs = now + settings.stateMaxAgeMs
    }
    return state
  }

  return {
    get state() {
      return currentState()
    },
    record,
    snapshot,
  }
}

const createTally = (): Tally => ({
  calls: 0,
  errors: 0,
  timeouts: 0,
  latency: createHistogram(),
  firstToken: createHistogram(),
})

function count(tally: Tally, { outcome, latencyMs, firstTokenMs }: HealthSample) {
  tally.calls++
  if (outcome !== 'success') tally.errors++
  if (outcome === 'timeout') tally.timeouts++
  if (outcome === 'failure') return
  if (latencyMs !== undefined) tally.latency.add(latencyMs)
  if (firstTokenMs !== undefined) tally.firstToken.add(firstTokenMs)
}

/** Takes a bucket out of the total and empties it. */
function drop(total: Tally, bucket: Tally) {
  total.calls -= bucket.calls
  total.errors -= bucket.errors
  total.timeouts -= bucket.timeouts
  total.latency.subtract(bucket.latency)
  total.firstToken.subtract(bucket.firstToken)
  bucket.calls = bucket.errors = bucket.timeouts = 0
  bucket.latency.clear()
  bucket.firstToken.clear()
}

type Seen = Omit<HealthSnapshot, 'state'>

function judge(seen: Seen, { minimumCalls, unhealthy, degraded }: HealthSettings): HealthState {
  if (seen.calls < minimumCalls) return 'healthy'
  if (exceeds(seen, unhealthy)) return 'unhealthy'
  return exceeds(seen, degraded) ? 'degraded' : 'healthy'
}

const exceeds = (seen: Seen, { p99Ms, errorRate, timeoutRate }: HealthThresholds) =>
  (p99Ms !== undefined && (seen.p99Ms ?? 0) > p99Ms) ||
  (errorRate !== undefined && seen.errorRate > errorRate) ||
  (timeoutRate !== undefined && seen.timeoutRate > timeoutRate)
