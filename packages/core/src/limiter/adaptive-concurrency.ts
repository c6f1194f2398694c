import type { Clock } from '../clock.ts'

/** What a latency is of: a stream's first content comes in another time than a whole answer. */
type LatencyKind = 'firstContent' | 'wholeAnswer'

/** One call under way. Of what it learned only the first counts; it must be ended, and once ended it teaches nothing. */
interface ConcurrencySample {
  /** It was answered. Its latency, until now, counts: call it at the first content of a stream. */
  succeeded(): void
  /** It was turned away or timed out (429, 503, deadline): there are too many at once. */
  dropped(): void
  /** It is under way no more. Alone it says nothing about the load: aborted, or the caller's own fault. */
  end(): void
}

export interface AdaptiveConcurrency {
  /** How many calls may be under way now. */
  limit(): number
  inFlight(): number
  start(kind: LatencyKind): ConcurrencySample
}

/** The bounds and the patience of {@link createAdaptiveConcurrency}. */
export interface AdaptiveConcurrencySettings {
  /** Calls at one time to start with. @default 20, or the nearest that the bounds allow */
  readonly initial?: number | undefined
  /** Never fewer than this. @default 1 */
  readonly minimum?: number | undefined
  /** Never more than this. @default 1,000 */
  readonly maximum?: number | undefined
  /** How many times its usual the latency may be before the limit falls. @default 2 */
  readonly tolerance?: number | undefined
}

/** The limit falls to this share when a call is dropped. */
const backoff = 0.9
/** How much of the way to where it should be one round of calls, as many as the limit, moves the limit. */
const smoothing = 0.5
/** How much one call with room to spare moves the usual latency. */
const usualWeight = 0.1
/** What is usual is measured anew when no call had room to spare for so long, and for so many usual latencies. */
const remeasureMs = 60_000
const remeasureLatencies = 30
const remeasureCalls = 10
/** What the limit starts from where nothing else is said, and where it ends. */
const usualInitial = 20
const usualMaximum = 1_000

/**
 * Finds the concurrency that a provider bears: after the gradient of Netflix's concurrency-limits, it rises by the root
 * of the limit while latency is as usual and all of it is used, falls as latency rises, and by a tenth for each burst of
 * dropped calls. https://github.com/Netflix/concurrency-limits (Gradient2Limit)
 *
 * Unlike there, what is usual is learned only from calls with few others beside them, and where there is never room to
 * spare the limit is lowered for a moment once a minute to see: an average over all calls would rise with the load, and
 * the limit with it, without end.
 *
 * @throws RangeError for bounds that contradict each other
 */
export function createAdaptiveConcurrency(settings: AdaptiveConcurrencySettings, clock: Clock): AdaptiveConcurrency {
  const { minimum = 1, maximum = Math.max(usualMaximum, settings.initial ?? 0, minimum), tolerance = 2 } = settings
  const { initial = Math.min(Math.max(usualInitial, minimum), maximum) } = settings
  if (!(minimum >= 1 && minimum <= initial && initial <= maximum)) {
    throw new RangeError(`Expected 1 <= minimum <= initial <= maximum, got ${minimum}, ${initial} and ${maximum}`)
  }
  if (!(tolerance >= 1)) throw new RangeError(`Expected tolerance to be 1 or more, got ${tolerance}`)
  const usualMs: Record<LatencyKind, number> = { firstContent: 0, wholeAnswer: 0 }
  let limit = initial
  let inFlight = 0
  let cutAt = -Infinity
  let measuredAt = clock.now()
  let leftToMeasure = 0

  /** So few at once that they do not slow each other down, were the limit right. */
  const fewAtOnce = () => Math.max(minimum, Math.floor(limit / (2 * tolerance)))

  function start(kind: LatencyKind): ConcurrencySample {
    const startedAt = clock.now()
    let hasTaught = false
    let isOver = false
    inFlight++
    const hadRoom = inFlight <= fewAtOnce()
    const teach = (learn: () => void) => () => {
      if (hasTaught || isOver) return
      hasTaught = true
      learn()
    }
    return {
      succeeded: teach(() => learnLatency(kind, Math.max(0.001, clock.now() - startedAt), hadRoom)),
      dropped: teach(() => cut(startedAt)),
      end() {
        if (!isOver) inFlight--
        isOver = true
      },
    }
  }

  function learnLatency(kind: LatencyKind, latencyMs: number, hadRoom: boolean) {
    if (usualMs[kind] === 0) usualMs[kind] = latencyMs
    if (hadRoom && inFlight <= fewAtOnce()) learnUsual(kind, latencyMs)
    else if (clock.now() - measuredAt > Math.max(remeasureMs, remeasureLatencies * usualMs[kind]))
      leftToMeasure ||= remeasureCalls
    // Unused room says nothing about how much more there could be.
    if (leftToMeasure > 0 || inFlight < limit / 2) return
    const gradient = Math.min(1, Math.max(0.5, (tolerance * usualMs[kind]) / latencyMs))
    moveTo(limit + (smoothing / limit) * (limit * gradient + Math.sqrt(limit) - limit))
  }

  function learnUsual(kind: LatencyKind, latencyMs: number) {
    usualMs[kind] += usualWeight * (latencyMs - usualMs[kind])
    measuredAt = clock.now()
    if (leftToMeasure > 0) leftToMeasure--
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

  return {
    limit: () => (leftToMeasure > 0 ? fewAtOnce() : Math.floor(limit)),
    inFlight: () => inFlight,
    start,
  }
}
