import type { Candidate, Profile } from '@signalbox/classifier'
import { type Line, type Pool, type Track, promptOf } from './data.ts'
import { type Interval, intervalOf, resamples } from '../../packages/classifier/src/metrics/bootstrap.ts'
import { type PairMeasures, measurePair, orderByGain } from '../../packages/classifier/src/metrics/pair.ts'
import { type Expected, type PoolMeasures, measurePool } from '../../packages/classifier/src/metrics/pool.ts'
import type { Outcomes } from '../../packages/classifier/src/metrics/outcomes.ts'

/** What a router expects to gain on each line by the strong model. */
export type Gains = readonly number[]

/** Measures with the interval of the first of them. */
export type WithInterval<T> = T & { readonly interval: Interval }

const draws = 200

/** Measures gains on a track. Lines without costs count only shares. */
export function onTrack({ weak, strong }: Track, lines: readonly Line[], gains: Gains): WithInterval<PairMeasures> {
  const point = (model: string) =>
    lines.map(({ results }) => ({ quality: results[model]!.score, costUsd: results[model]!.cost_usd ?? 0 }))
  const pair = { weak: point(weak), strong: point(strong) }
  const order = orderByGain(gains)
  const apgrs = [...resamples(lines.length, draws)].map((times) => measurePair(pair, order, times).apgr)
  return { ...measurePair(pair, order), interval: intervalOf(apgrs) }
}

/** What a profile expects to gain by the second candidate. */
export function gainsOf(profile: Profile, lines: readonly Line[], weak: Candidate, strong: Candidate): number[] {
  return lines.map((line) => {
    const ranked = profile.rank(promptOf(line), [weak, strong])
    const quality = (name: string) => ranked.find(({ model }) => model === name)!.quality
    return quality(nameOf(strong)) - quality(nameOf(weak))
  })
}

const nameOf = (candidate: Candidate) => (typeof candidate === 'string' ? candidate : candidate.model)

/** What is known of the lines of a pool. */
export function outcomesOf({ models }: Pool, lines: readonly Line[]): Outcomes {
  const table = (field: (result: Line['results'][string]) => number) =>
    lines.map(({ results }) => Float64Array.from(models, (model) => field(results[model]!)))
  return { models, scores: table(({ score }) => score), costs: table(({ cost_usd: cost }) => cost ?? 0) }
}

/** What a profile expects of the models of a pool. */
export function expectedOf(profile: Profile, { models }: Pool, lines: readonly Line[]): Expected {
  const ranked = lines.map((line) => new Map(profile.rank(promptOf(line), models).map((each) => [each.model, each])))
  const table = (field: 'quality' | 'costUsd') =>
    ranked.map((of) => Float64Array.from(models, (model) => of.get(model)![field]))
  return { qualities: table('quality'), costs: table('costUsd') }
}

/** Measures what is expected of a pool, with the interval of its AIQ. */
export function onPool(outcomes: Outcomes, expected: Expected): WithInterval<PoolMeasures> {
  const aiqs = [...resamples(outcomes.scores.length, draws)].map((times) => measurePool(outcomes, expected, times).aiq)
  return { ...measurePool(outcomes, expected), interval: intervalOf(aiqs) }
}
