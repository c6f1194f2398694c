import type { Point } from './outcomes.ts'

/**
 * The non-decreasing convex hull of RouterBench: the best quality for each cost that the points, and chance between two
 * of them, can give. The hull of single models is the zero router.
 */
export function hullOf(points: readonly Point[]): Point[] {
  const sorted = points.toSorted((a, b) => a.costUsd - b.costUsd || b.quality - a.quality)
  const hull: Point[] = []
  for (const point of sorted) {
    if (hull.length > 0 && point.quality <= hull.at(-1)!.quality) continue
    while (hull.length >= 2 && isBelow(hull.at(-1)!, hull.at(-2)!, point)) hull.pop()
    if (hull.at(-1)?.costUsd !== point.costUsd) hull.push(point)
  }
  return hull
}

/** Whether a point lies on or below the line from `from` to `to`. */
const isBelow = (point: Point, from: Point, to: Point) =>
  (point.quality - from.quality) * (to.costUsd - from.costUsd) <=
  (to.quality - from.quality) * (point.costUsd - from.costUsd)

/** The quality that a line through points, in the order of their costs, gives at a cost; flat beyond its ends. */
export function qualityAt(line: readonly Point[], costUsd: number): number {
  if (costUsd <= line[0]!.costUsd) return line[0]!.quality
  for (let at = 1; at < line.length; at++) {
    const from = line[at - 1]!
    const to = line[at]!
    if (costUsd > to.costUsd) continue
    const share = (costUsd - from.costUsd) / (to.costUsd - from.costUsd || 1)
    return from.quality + (to.quality - from.quality) * share
  }
  return line.at(-1)!.quality
}

const steps = 400

/** The mean height of a line between two costs: of a hull, its AIQ. */
export function meanHeight(line: readonly Point[], least: number, most: number): number {
  let sum = 0
  for (let at = 0; at < steps; at++) sum += qualityAt(line, least + ((most - least) * (at + 0.5)) / steps)
  return sum / steps
}

/** The least cost at which a line reaches a quality; undefined where it never does. */
export function costAt(line: readonly Point[], quality: number): number | undefined {
  for (let at = 0; at < line.length; at++) {
    const to = line[at]!
    if (to.quality < quality - 1e-12) continue
    const from = line[at - 1]
    if (!from) return to.costUsd
    const share = (quality - from.quality) / (to.quality - from.quality || 1)
    return from.costUsd + (to.costUsd - from.costUsd) * share
  }
  return undefined
}

/** RouterArena's score of a policy, mostly its quality: 100 for all right at no cost. */
export function arenaScore({ quality, costUsd }: Point): number {
  const [least, most, weight] = [0.0044, 200, 0.1]
  const perThousand = Math.min(most, Math.max(least, costUsd * 1000))
  const thrift = Math.log2(most / perThousand) / Math.log2(most / least)
  return (100 * (1 + weight) * quality * thrift) / (weight * quality + thrift)
}
