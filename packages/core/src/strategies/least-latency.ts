import type { Outcome, Services, Strategy } from '../types.ts'
import { createLatencyTracker } from './latency-tracker.ts'

/** Options of the strategy `least-latency`. */
export interface LeastLatencyOptions {
  /** How long a sample counts, in milliseconds: after it hardly anything of it is left. @default 30_000 */
  readonly windowMs?: number
}

/** A sample fades exponentially; after three time constants a twentieth is left. */
const timeConstantsPerWindow = 3

/** Refusals of our own say nothing of how fast a model is. */
const ownRefusals: ReadonlySet<string> = new Set([
  'rate_limit_exceeded',
  'model_unavailable',
  'cancelled',
  'upstream_rejected',
])

/**
 * The fastest by peak EWMA and calls in flight, of two drawn by chance; time to the first token for streams, to the
 * whole answer for the rest. Failures and rate limits count as slow, however fast they came.
 */
export function leastLatency({ windowMs = 30_000 }: LeastLatencyOptions, { clock }: Services): Strategy {
  const tracker = createLatencyTracker({ decayMs: windowMs / timeConstantsPerWindow }, clock)

  function learn(outcome: Extract<Outcome, { type: 'ended' }>): void {
    const { name, ok, code, latencyMs, firstTokenMs } = outcome
    tracker.end(name)
    if (code !== undefined && ownRefusals.has(code)) return
    tracker.record(name, { ok, latencyMs, ...(firstTokenMs !== undefined && { firstTokenMs }) })
  }

  return {
    name: 'least-latency',
    rank(call, candidates, { random, now }) {
      const streaming = call.request.parameters.stream
      const names = candidates.map(({ name }) => name)
      return tracker.rank(names, { random, now, streaming }).map((name) => {
        const score = tracker.score(name, { now, streaming })
        return { name, reason: score === undefined ? 'not known yet' : `score ${Math.round(score)} ms` }
      })
    },
    observe(outcome) {
      if (outcome.type === 'started') tracker.start(outcome.name)
      else if (outcome.type === 'ended') learn(outcome)
    },
  }
}
