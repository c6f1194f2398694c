import { type Interval, intervalOf, resamples } from '../metrics/bootstrap.ts'
import { meansOf } from '../metrics/outcomes.ts'
import { type PairMeasures, measurePair, orderByGain } from '../metrics/pair.ts'
import { type PoolMeasures, measurePool } from '../metrics/pool.ts'
import type { HeldOut } from './hold-out.ts'

/** A measure with the interval that it lies in with 95 % confidence. */
export interface Measured {
  readonly value: number
  readonly interval: Interval
}

/** What training came to, on prompts that were not trained on. */
export interface TrainingReport {
  /** Different prompts in the rows. */
  readonly prompts: number
  /** Prompts that were judged without being trained on. */
  readonly judged: number
  readonly models: readonly string[]
  /** The cheapest model and the best one, between which the measures of two are taken. */
  readonly weak: string
  readonly strong: string
  readonly pair: Measures<PairMeasures>
  readonly pool: Measures<Omit<PoolMeasures, 'costAtBest'>>
  /** The share of resamples in which the profile was above the zero router. */
  readonly certainty: number
  /** Whether the profile may choose: it was above the zero router, in most of the resamples too. */
  readonly enabled: boolean
  /** Why it may or may not. */
  readonly reason: string
}

type Measures<T> = { readonly [Key in keyof T]: Measured }

/** The least share of resamples in which a profile must be above the zero router. */
const enoughCertainty = 0.8
/** Fewer judged prompts than this prove nothing. */
const fewestJudged = 20
const draws = 200

/** Measures what was held out and says whether the profile may choose. */
export function reportOf(held: HeldOut, prompts: number): TrainingReport | undefined {
  const { outcomes, expected } = held
  const judged = outcomes.scores.length
  if (judged === 0) return undefined
  const means = meansOf(outcomes)
  const weak = means.indexOf(means.toSorted((a, b) => a.costUsd - b.costUsd)[0]!)
  const strong = means.indexOf(means.toSorted((a, b) => b.quality - a.quality || b.costUsd - a.costUsd)[0]!)
  const point = (model: number) =>
    outcomes.scores.map((scores, at) => ({ quality: scores[model]!, costUsd: outcomes.costs[at]![model]! }))
  const pair = { weak: point(weak), strong: point(strong) }
  const order = orderByGain(expected.qualities.map((qualities) => qualities[strong]! - qualities[weak]!))
  const pairDraws: PairMeasures[] = []
  const poolDraws: PoolMeasures[] = []
  for (const times of resamples(judged, draws)) {
    pairDraws.push(measurePair(pair, order, times))
    poolDraws.push(measurePool(outcomes, expected, times))
  }
  const pool = withIntervals(measurePool(outcomes, expected), poolDraws)
  const certainty = poolDraws.filter(({ aboveZeroRouter }) => aboveZeroRouter > 0).length / draws
  const names = { models: outcomes.models, weak: outcomes.models[weak]!, strong: outcomes.models[strong]! }
  const measures = { pair: withIntervals(measurePair(pair, order), pairDraws), pool, certainty }
  return { prompts, judged, ...names, ...measures, ...verdict(pool.aboveZeroRouter.value, certainty, judged) }
}

function verdict(above: number, certainty: number, judged: number): Pick<TrainingReport, 'enabled' | 'reason'> {
  if (judged < fewestJudged)
    return { enabled: false, reason: `${judged} prompts were judged, and fewer than ${fewestJudged} prove nothing` }
  const inMost = `in ${Math.round(certainty * 100)} % of the resamples`
  if (above <= 0) return { enabled: false, reason: 'it is not above the zero router on prompts it did not train on' }
  return certainty >= enoughCertainty
    ? { enabled: true, reason: `it is above the zero router, ${inMost}` }
    : { enabled: false, reason: `it is above the zero router only ${inMost}, and ${enoughCertainty * 100} % are asked` }
}

function withIntervals<T extends object>(measures: T, drawn: readonly T[]): Measures<T> {
  const keys = Object.keys(measures) as (keyof T)[]
  return Object.fromEntries(
    keys.map((key) => [
      key,
      { value: measures[key] as number, interval: intervalOf(drawn.map((each) => each[key] as number)) },
    ]),
  ) as Measures<T>
}

/** A report as text, for people. */
export function reportText(report: TrainingReport): string {
  const { pair, pool } = report
  const rows: [string, Measured, string][] = [
    ['PGR at 50 %', pair.pgrAtHalf, 'of the gap in quality, with half of the calls to the strong model; chance 0.5'],
    ['APGR', pair.apgr, 'of the gap, over all shares; chance 0.5'],
    ['CPT50', pair.cpt50, 'of calls to the strong model for half of the gap; chance 0.5'],
    ['CPT80', pair.cpt80, 'of calls for 80 % of the gap; chance 0.8'],
    ['costEq', pair.costEq, "of the strong model's bill for its quality"],
    ['AIQ', pool.aiq, `all models; zero router ${pool.zeroRouterAiq.value.toFixed(4)}`],
    ['above zero', pool.aboveZeroRouter, 'mean quality above the zero router at the same cost'],
  ]
  return [
    `${report.judged} of ${report.prompts} prompts judged by profiles that did not train on them`,
    `weak ${report.weak}, strong ${report.strong}, ${report.models.length} models`,
    ...rows.map(
      ([name, { value, interval }, meaning]) =>
        `  ${name.padEnd(12)} ${value.toFixed(4)}  [${interval.map((end) => end.toFixed(4)).join(', ')}]  ${meaning}`,
    ),
    report.enabled ? `enabled: ${report.reason}` : `not enabled: ${report.reason}`,
  ].join('\n')
}
