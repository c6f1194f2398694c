import { type SignalboxErrorCode, isRefusal } from '../errors.ts'
import type { Call, CandidateView, Services } from '../types.ts'
import type { Outcome, Strategy } from './strategy.ts'
import { createLatencyTracker, rankByLatency } from './latency-tracker.ts'

/** Options of the strategy `least-latency`. */
export interface LeastLatencyOptions {
  /** How long a sample counts, in milliseconds: after it hardly anything of it is left. @default 30_000 */
  readonly windowMs?: number
}

/** What a candidate is compared by, and its own score where it has one. */
interface Standing {
  readonly ms: number
  readonly ownMs?: number
}

type Standings = Readonly<Record<string, Standing>>

/** A sample fades exponentially; after three time constants a twentieth is left. */
const timeConstantsPerWindow = 3

/** What says nothing of how fast a model is, besides refusals of our own. */
const noSample: ReadonlySet<string> = new Set(['cancelled', 'upstream_rejected', 'store_unavailable'])
const saysNothing = (code: string) => noSample.has(code) || isRefusal({ code: code as SignalboxErrorCode })

/**
 * The fastest by peak EWMA and calls in flight, of two drawn by chance; time to the first token for streams, to the
 * whole answer for the rest. Failures and rate limits count as slow, however fast they came.
 */
export function leastLatency({ windowMs = 30_000 }: LeastLatencyOptions, { clock }: Services): Strategy {
  const tracker = createLatencyTracker({ decayMs: windowMs / timeConstantsPerWindow }, clock)

  function learn(outcome: Extract<Outcome, { type: 'ended' }>): void {
    const { call, name, ok, code, latencyMs, firstTokenMs } = outcome
    tracker.end(name)
    if (code !== undefined && saysNothing(code)) return
    if (code === 'deadline_exceeded') {
      const kind = call.request.parameters.stream ? 'firstTokenMs' : 'latencyMs'
      return tracker.record(name, { ok, isCutShort: true, [kind]: firstTokenMs ?? latencyMs })
    }
    tracker.record(name, { ok, latencyMs, ...(firstTokenMs !== undefined && { firstTokenMs }) })
  }

  function assess(
    { request }: Call,
    candidates: readonly CandidateView[],
    { now }: { readonly now: number },
  ): Standings {
    const names = candidates.map(({ name }) => name)
    const moment = { now, streaming: request.parameters.stream }
    const standings = tracker.standings(names, moment)
    const known: Record<string, Standing> = {}
    for (const [place, name] of names.entries()) {
      const ownMs = tracker.score(name, moment)
      known[name] = ownMs === undefined ? { ms: standings[place]! } : { ms: standings[place]!, ownMs }
    }
    return known
  }

  return {
    name: 'least-latency',
    assess,
    rank(call, candidates, { random, now, assessment = assess(call, candidates, { now }) }) {
      const known = assessment as Standings
      const names = candidates.map(({ name }) => name)
      const standings = names.map((name) => known[name]?.ms ?? Infinity)
      return rankByLatency(names, standings, random).map((name) => {
        const score = known[name]?.ownMs
        if (score === undefined) return { name, reason: 'not known yet' }
        return { name, score, reason: `score ${Math.round(score)} ms` }
      })
    },
    observe(outcome) {
      if (outcome.type === 'started') tracker.start(outcome.name)
      else if (outcome.type === 'ended') learn(outcome)
    },
  }
}
