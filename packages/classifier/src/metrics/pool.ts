import { arenaScore, costAt, hullOf, meanHeight } from './hull.ts'
import { type Outcomes, type Point, meansOf } from './outcomes.ts'

/** What a router expects of each model: quality and cost, by prompt, then by model. */
export interface Expected {
  readonly qualities: readonly Float64Array[]
  readonly costs: readonly Float64Array[]
}

/** How a router over a pool does, over all prices of quality. */
export interface PoolMeasures {
  readonly aiq: number
  readonly zeroRouterAiq: number
  /** The mean height of the router's own line above the zero router: no hull, no luck of the best point. */
  readonly aboveZeroRouter: number
  /** RouterArena's score at the best price. */
  readonly arena: number
  /** The best quality at any price. */
  readonly peak: number
  /** The share of the best single model's bill at which its quality is reached; undefined where it never is. */
  readonly costAtBest: number | undefined
}

/** Weights of cost, in units of quality for the mean cost of the dearest model: from all for quality to all for cost. */
const lambdas = [0, ...Array.from({ length: 57 }, (_, at) => 10 ** (-4 + at / 8))]

/** Measures a router over a pool on what is known. `times` says how often each prompt counts. */
export function measurePool(outcomes: Outcomes, expected: Expected, times?: ArrayLike<number>): PoolMeasures {
  const singles = meansOf(outcomes, drawOf(outcomes, times))
  const costs = singles.map(({ costUsd }) => costUsd)
  const [least, most] = [Math.min(...costs), Math.max(...costs)]
  const policy = sweep(outcomes, expected, times)
  const zeroRouter = hullOf(singles)
  const best = zeroRouter.at(-1)!
  const eqUsd = costAt(hullOf(policy), best.quality)
  const zeroRouterAiq = meanHeight(zeroRouter, least, most)
  return {
    aiq: meanHeight(hullOf(policy), least, most),
    zeroRouterAiq,
    aboveZeroRouter: meanHeight(byCost(policy), least, most) - zeroRouterAiq,
    arena: Math.max(...policy.map(arenaScore)),
    peak: Math.max(...policy.map(({ quality }) => quality)),
    costAtBest: eqUsd === undefined ? undefined : eqUsd / best.costUsd,
  }
}

/** What comes of taking the model with the highest quality less lambda times cost, for each lambda. */
function sweep(outcomes: Outcomes, expected: Expected, times?: ArrayLike<number>): Point[] {
  const dearest = Math.max(1e-12, ...meanCosts(expected))
  return lambdas.map((lambda) => policyAt(outcomes, expected, { lambda: lambda / dearest, times }))
}

function policyAt(
  { scores, costs }: Outcomes,
  expected: Expected,
  { lambda, times }: { lambda: number; times: ArrayLike<number> | undefined },
): Point {
  let quality = 0
  let costUsd = 0
  let count = 0
  for (let at = 0; at < scores.length; at++) {
    const weight = times?.[at] ?? 1
    if (weight === 0) continue
    const taken = bestOf(expected.qualities[at]!, expected.costs[at]!, lambda)
    quality += scores[at]![taken]! * weight
    costUsd += costs[at]![taken]! * weight
    count += weight
  }
  return { quality: quality / count, costUsd: costUsd / count }
}

function bestOf(qualities: Float64Array, costs: Float64Array, lambda: number): number {
  let best = 0
  for (let model = 1; model < qualities.length; model++) {
    if (qualities[model]! - lambda * costs[model]! > qualities[best]! - lambda * costs[best]!) best = model
  }
  return best
}

function meanCosts({ costs }: Expected): number[] {
  const sums = Array.from(costs[0] ?? [], () => 0)
  for (const row of costs) for (let model = 0; model < row.length; model++) sums[model]! += row[model]! / costs.length
  return sums
}

function drawOf({ scores }: Outcomes, times?: ArrayLike<number>): number[] {
  return scores.flatMap((_, at) => Array.from({ length: times?.[at] ?? 1 }, () => at))
}

/** Points by cost, several at one cost as their mean. */
function byCost(points: readonly Point[]): Point[] {
  const qualities = new Map<number, number[]>()
  for (const { costUsd, quality } of points) qualities.set(costUsd, [...(qualities.get(costUsd) ?? []), quality])
  return [...qualities]
    .map(([costUsd, group]) => ({ costUsd, quality: group.reduce((sum, value) => sum + value) / group.length }))
    .toSorted((a, b) => a.costUsd - b.costUsd)
}
