import type { Point } from './outcomes.ts'
import { hullOf, meanHeight } from './hull.ts'

/** Two models on some prompts. */
export interface Pair {
  readonly weak: readonly Point[]
  readonly strong: readonly Point[]
}

/** How a router between two models does, whatever the share of calls that it sends to the stronger one. */
export interface PairMeasures {
  /** Mean share of the gap in quality that is recovered, over all shares of strong calls. Chance gives 0.5. */
  readonly apgr: number
  /** The share of the gap that is recovered when half of the calls go to the strong model. */
  readonly pgrAtHalf: number
  /** The least share of strong calls that recovers 50 % and 80 % of the gap. */
  readonly cpt50: number
  readonly cpt80: number
  /** The share of the strong model's bill at which its quality is reached. */
  readonly costEq: number
  readonly aiq: number
}

/** The order in which prompts go to the strong model: those with the highest gain first, ties by a fixed shuffle. */
export function orderByGain(gains: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: gains.length }, (_, at) => at).toSorted(
    (a, b) => gains[b]! - gains[a]! || tie(a) - tie(b),
  )
}

const tie = (at: number) => Math.imul(at + 1, 0x9e3779b1) >>> 0

/** Measures an order of prompts. `times` says how often each prompt counts: once, or as a resample has drawn it. */
export function measurePair(pair: Pair, order: ArrayLike<number>, times?: ArrayLike<number>): PairMeasures {
  const points = curveOf(pair, order, times)
  const [none, all] = [points[0]!, points.at(-1)!]
  const gap = all.quality - none.quality
  let area = 0
  for (let at = 1; at < points.length; at++) area += (points[at]!.quality + points[at - 1]!.quality) / 2
  const pgr = (quality: number) => (quality - none.quality) / gap
  const least = (part: number) => firstCrossing(points, none.quality + part * gap, Math.sign(gap))
  return {
    apgr: pgr(area / (points.length - 1)),
    pgrAtHalf: pgr(points[(points.length - 1) / 2]!.quality),
    cpt50: least(0.5) / (points.length - 1),
    cpt80: least(0.8) / (points.length - 1),
    costEq: between(points, firstCrossing(points, all.quality, 1)).costUsd / all.costUsd,
    aiq: meanHeight(hullOf(points), none.costUsd, all.costUsd),
  }
}

const curveSteps = 100

/** 101 points, from no call to the strong model to every call. */
function curveOf({ weak, strong }: Pair, order: ArrayLike<number>, times?: ArrayLike<number>): Point[] {
  const timesOf = (at: number) => times?.[at] ?? 1
  let count = 0
  let quality = 0
  let costUsd = 0
  for (let at = 0; at < weak.length; at++) {
    count += timesOf(at)
    quality += weak[at]!.quality * timesOf(at)
    costUsd += weak[at]!.costUsd * timesOf(at)
  }
  const points: Point[] = [{ quality: quality / count, costUsd: costUsd / count }]
  let seen = 0
  for (let place = 0; place < order.length; place++) {
    const at = order[place]!
    const gain = strong[at]!.quality - weak[at]!.quality
    const extra = strong[at]!.costUsd - weak[at]!.costUsd
    for (let left = timesOf(at); left > 0; left--) {
      const [before, beforeUsd] = [quality, costUsd]
      quality += gain
      costUsd += extra
      seen++
      for (let next = (points.length / curveSteps) * count; next <= seen + 1e-9 && points.length <= curveSteps;) {
        const part = next - (seen - 1)
        points.push({
          quality: (before + (quality - before) * part) / count,
          costUsd: (beforeUsd + (costUsd - beforeUsd) * part) / count,
        })
        next = (points.length / curveSteps) * count
      }
    }
  }
  return points
}

/** The place on a curve, as a broken index, at which it first comes to a quality; its end where it never does. */
function firstCrossing(points: readonly Point[], quality: number, direction: number): number {
  for (let at = 0; at < points.length; at++) {
    if ((points[at]!.quality - quality) * direction < -1e-12) continue
    if (at === 0) return 0
    const [from, to] = [points[at - 1]!.quality, points[at]!.quality]
    return at - 1 + (quality - from) / (to - from || 1)
  }
  return points.length - 1
}

function between(points: readonly Point[], index: number): Point {
  const from = points[Math.floor(index)]!
  const to = points[Math.ceil(index)]!
  const part = index - Math.floor(index)
  return {
    quality: from.quality + (to.quality - from.quality) * part,
    costUsd: from.costUsd + (to.costUsd - from.costUsd) * part,
  }
}
