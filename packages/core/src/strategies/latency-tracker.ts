import type { Clock, Random } from '../clock.ts'
import { latencyTrackerSettings } from './latency-tracker-settings.ts'
import type { LatencyTrackerOptions } from './latency-tracker-settings.ts'

export type { LatencyTrackerOptions } from './latency-tracker-settings.ts'

/** How one call ended. Of a caller who went away, record nothing. */
interface LatencySample {
  /** False for a failure, a timeout, a rate limit or a cut stream. */
  readonly ok: boolean
  /** To the end of a plain answer, or to the failure. */
  readonly latencyMs?: number
  /** To the first content of a stream. */
  readonly firstTokenMs?: number
  /** It was given up then, by its caller's clock: all that is known is that it takes longer. */
  readonly isCutShort?: boolean
}

/** The moment of a ranking: `now` as the tracker's clock says it, and whether the answer will be streamed. */
interface RankingMoment {
  readonly now: number
  readonly streaming: boolean
}

export interface LatencyTracker {
  /** Counts a call in flight. */
  start(name: string): void
  /** Takes it out again; needed however the call ends. */
  end(name: string): void
  record(name: string, sample: LatencySample): void
  /**
   * The estimate, faded by age, times one plus the calls in flight and recent failures; `undefined` while nothing is
   * known. In milliseconds, but good for comparing only.
   */
  score(name: string, moment: RankingMoment): number | undefined
  /** What each of `names` is compared by, in milliseconds; what is not known yet stands at a tie with the best. */
  standings(names: readonly string[], moment: RankingMoment): number[]
  /** All of `names`, the one to try first in front. Moves no state. */
  rank(names: readonly string[], moment: RankingMoment & { readonly random: Random }): string[]
}

interface Estimate {
  valueMs: number
  /** When the value was last sampled, by the clock and by the tracker's count of samples. */
  sampledMs: number
  sampledAt: number
}

interface Candidate {
  inFlight: number
  /**
   * Failures that still count as calls in flight, fading over `penaltyMs`. A fast failure leaves nothing in flight, and
   * under load it would win by that alone.
   */
  ghosts: number
  failedMs: number
  answer?: Estimate
  firstToken?: Estimate
}

type Kind = 'answer' | 'firstToken'

/** Candidates whose score is within this factor of the lowest compete for the first place. */
const contenderFactor = 2

/**
 * Knows how fast each candidate is: a moving average that takes a slower sample at once and a faster one by and by,
 * apart for whole answers and for the first token. The first place is drawn: of two random contenders the one with the
 * lower score, so that many callers at once do not all run to the same. Age brings a candidate back to a tie with the
 * best, never ahead of it; there it is tried again. An unknown candidate starts at that tie, with hardly more than one
 * call out at a time.
 *
 * Source: Finagle's and Tower's peak EWMA, with Linkerd's penalty on failures; that failures linger as calls in flight,
 * the bound on contenders and the fading by calls are ours.
 *
 * @example
 * const tracker = createLatencyTracker({}, systemClock)
 * tracker.record('fast', { ok: true, latencyMs: 300 })
 * tracker.rank(['slow', 'fast'], { random: Math.random, now: systemClock.now(), streaming: false })
 */
export function createLatencyTracker(options: LatencyTrackerOptions, clock: Clock): LatencyTracker {
  const { decayMs, decayCalls, penaltyMs, maxPenaltyMs, initialMs } = latencyTrackerSettings(options)
  const candidates = new Map<string, Candidate>()
  let samples = 0

  function candidate(name: string) {
    let known = candidates.get(name)
    if (!known) candidates.set(name, (known = { inFlight: 0, ghosts: 0, failedMs: 0 }))
    return known
  }

  function record(name: string, { ok, latencyMs, firstTokenMs, isCutShort = false }: LatencySample) {
    const one = candidate(name)
    if (isCutShort) return atLeast(one, { answer: latencyMs, firstToken: firstTokenMs })
    samples++
    if (!ok) return punish(one, Math.max(latencyMs ?? 0, firstTokenMs ?? 0))
    if (latencyMs !== undefined) sample(one, 'answer', latencyMs)
    if (firstTokenMs !== undefined) sample(one, 'firstToken', firstTokenMs)
  }

  function atLeast(one: Candidate, known: Readonly<Record<Kind, number | undefined>>) {
    for (const kind of ['answer', 'firstToken'] as const) {
      const { [kind]: ms = 0 } = known
      if (ms <= (one[kind]?.valueMs ?? 0)) continue
      samples++
      sample(one, kind, ms)
    }
  }

  function punish(one: Candidate, realMs: number) {
    const now = clock.now()
    one.ghosts = ghostsAt(one, now) + 1
    one.failedMs = now
    sample(one, 'answer', penalty(one.answer, realMs))
    sample(one, 'firstToken', penalty(one.firstToken, realMs))
  }

  function penalty(estimate: Estimate | undefined, realMs: number) {
    const doubledMs = 2 * Math.max(estimate?.valueMs ?? 0, realMs)
    return Math.max(realMs, penaltyMs, Math.min(doubledMs, maxPenaltyMs))
  }

  function sample(one: Candidate, kind: Kind, valueMs: number) {
    const now = clock.now()
    const before = one[kind]
    one[kind] = { valueMs: before ? peak(before, valueMs, now) : valueMs, sampledMs: now, sampledAt: samples }
  }

  function peak(before: Estimate, valueMs: number, now: number) {
    const weight = fading(before, now)
    return valueMs >= before.valueMs ? valueMs : before.valueMs * weight + valueMs * (1 - weight)
  }

  /** What is left of a sample's weight, from 1 down to 0. */
  function fading({ sampledMs, sampledAt }: Estimate, now: number) {
    return Math.exp(-Math.max(0, Math.min((now - sampledMs) / decayMs, (samples - sampledAt) / decayCalls)))
  }

  const ghostsAt = ({ ghosts, failedMs }: Candidate, now: number) =>
    ghosts && ghosts * Math.exp(-Math.max(0, now - failedMs) / penaltyMs)

  const load = (one: Candidate, now: number) => one.inFlight + ghostsAt(one, now) + 1

  const agedMs = (estimate: Estimate, now: number) => estimate.valueMs * fading(estimate, now)

  function score(name: string, { now, streaming }: RankingMoment) {
    const one = candidates.get(name)
    const estimate = one?.[kindOf(streaming)]
    return one && estimate && agedMs(estimate, now) * load(one, now)
  }

  function bestMs(names: readonly string[], kind: Kind) {
    let best = Infinity
    for (const name of names) best = Math.min(best, candidates.get(name)?.[kind]?.valueMs ?? Infinity)
    return best === Infinity ? initialMs : best
  }

  function scoreBeside(best: number, one: Candidate | undefined, kind: Kind, now: number) {
    if (!one) return best
    const estimate = one[kind]
    const valueMs = estimate ? Math.max(best, agedMs(estimate, now)) : best + penaltyMs * one.inFlight
    return valueMs * load(one, now)
  }

  function standings(names: readonly string[], { now, streaming }: RankingMoment) {
    const kind = kindOf(streaming)
    const best = bestMs(names, kind)
    return names.map((name) => scoreBeside(best, candidates.get(name), kind, now))
  }

  return {
    start: (name) => void candidate(name).inFlight++,
    end: (name) => void (candidate(name).inFlight = Math.max(0, candidate(name).inFlight - 1)),
    record,
    score,
    standings,
    rank: (names, { random, ...moment }) => rankByLatency(names, standings(names, moment), random),
  }
}

/** Sorts by standing, and draws the first place: of two random contenders the one with the lower standing. */
export function rankByLatency(names: readonly string[], standings: readonly number[], random: Random): string[] {
  const ranked: string[] = []
  const scores: number[] = []
  for (const [place, name] of names.entries()) insert(ranked, scores, name, standings[place]!)
  const first = drawFirst(scores, random)
  const name = ranked[first]
  if (name === undefined || first === 0) return ranked
  ranked.copyWithin(1, 0, first)
  ranked[0] = name
  return ranked
}

const kindOf = (streaming: boolean): Kind => (streaming ? 'firstToken' : 'answer')

/** Keeps both lists sorted by score; of equals the earlier named stays in front. */
function insert(ranked: string[], scores: number[], name: string, score: number) {
  let place = scores.length
  for (; place > 0 && scores[place - 1]! > score; place--) {
    ranked[place] = ranked[place - 1]!
    scores[place] = scores[place - 1]!
  }
  ranked[place] = name
  scores[place] = score
}

/** The place, among sorted scores, of the better of two different random contenders; the first drawn of two equals. */
function drawFirst(scores: readonly number[], random: Random): number {
  const bound = (scores[0] ?? 0) * contenderFactor
  let contenders = 0
  while (contenders < scores.length && scores[contenders]! <= bound) contenders++
  if (contenders < 2) return 0
  const one = Math.floor(random() * contenders)
  // Drawn from the contenders but `one`; those behind it cannot be better.
  const other = Math.floor(random() * (contenders - 1))
  return scores[other]! < scores[one]! ? other : one
}
