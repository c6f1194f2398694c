import type { Clock } from '../clock.ts'

/** One call under way. It must be ended; only the first end counts. */
export interface ConcurrencySample {
  /** It was answered. Its latency, until now, counts: call it at the first token of a stream. */
  succeeded(): void
  /** It was turned away or timed out (429, 503, deadline): there are too many at once. */
  dropped(): void
  /** It says nothing about the load: aborted, or the caller's own fault. */
  ignored(): void
}

export interface AdaptiveConcurrency {
  /** How many calls may be under way now. */
  limit(): number
  inFlight(): number
  start(): ConcurrencySample
}

export interface AdaptiveConcurrencyOptions {
  clock: Clock
  /** @default 20 */
  initial?: number
  /** @default 1 */
  minimum?: number
  /** @default 1,000 */
  maximum?: number
  /** How many times its usual the latency may be before the limit falls. @default 2 */
  tolerance?: number
}

/** The limit falls to this share when a call is dropped. */
const backoff = 0.9
/** How much one answer moves the limit, and the usual latency. */
const smoothing = 0.2
const usualWeight = 2 / 601
/** The usual latency is let down faster than that after a slow time, this share a call. */
const recovery = 0.95

/**
 * Finds the concurrency that a provider bears: after the gradient of Netflix's concurrency-limits, it rises by the root
 * of the limit while latency is as usual and all of it is used, falls as latency rises, and by a tenth for each burst of
 * dropped calls.
 */
export function createAdaptiveConcurrency(options: AdaptiveConcurrencyOptions): AdaptiveConcurrency {
  const { clock, initial = 20, minimum = 1, maximum = 1_000, tolerance = 2 } = options
  if (!(minimum >= 1 && minimum <= initial && initial <= maximum)) {
    throw new RangeError(`Expected 1 <= minimum <= initial <= maximum, got ${minimum}, ${initial} and ${maximum}`)
  }
  if (!(tolerance >= 1)) throw new RangeError(`Expected tolerance to be 1 or more, got ${tolerance}`)
  let limit = initial
  let inFlight = 0
  let usualMs = 0
  let cutAt = -Infinity

  function start(): ConcurrencySample {
    const startedAt = clock.now()
    let isOver = false
    inFlight++
    const end = (learn: (startedAt: number) => void) => () => {
      if (isOver) return
      isOver = true
      learn(startedAt)
      inFlight--
    }
    return { succeeded: end(learnLatency), dropped: end(cut), ignored: end(() => undefined) }
  }

  function learnLatency(startedAt: number) {
    const latencyMs = Math.max(0.001, clock.now() - startedAt)
    usualMs = usualMs === 0 ? latencyMs : usualMs + usualWeight * (latencyMs - usualMs)
    if (usualMs > 2 * latencyMs) usualMs *= recovery
    // Unused room says nothing about how much more there could be.
    if (inFlight < limit / 2) return
    const gradient = Math.min(1, Math.max(0.5, (tolerance * usualMs) / latencyMs))
    moveTo(limit + smoothing * (limit * gradient + Math.sqrt(limit) - limit))
  }

  /** Calls that were under way when it was cut last belong to the same burst. */
  function cut(startedAt: number) {
    if (startedAt <= cutAt) return
    cutAt = clock.now()
    moveTo(limit * backoff)
  }

  function moveTo(next: number) {
    limit = Math.min(maximum, Math.max(minimum, next))
  }

  return { limit: () => Math.floor(limit), inFlight: () => inFlight, start }
}
