import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { intervalOf, resamples } from './bootstrap.ts'
import { arenaScore, costAt, hullOf, meanHeight, qualityAt } from './hull.ts'
import { measurePair, orderByGain } from './pair.ts'
import { measurePool } from './pool.ts'

const points = (qualities: readonly number[], costUsd: number) => qualities.map((quality) => ({ quality, costUsd }))

describe('two models', () => {
  const pair = { weak: points([1, 0, 1, 0], 1), strong: points([1, 1, 1, 1], 10) }

  it('give the measures that can be worked out by hand', () => {
    // The two prompts that gain go first: all of the gap is there at half of the calls.
    const best = measurePair(pair, orderByGain([0, 1, 0, 1]))
    expect(best.apgr).toBeCloseTo(0.75, 6)
    expect(best.pgrAtHalf).toBeCloseTo(1, 6)
    expect(best.cpt50).toBeCloseTo(0.25, 6)
    expect(best.cpt80).toBeCloseTo(0.4, 6)
    expect(best.costEq).toBeCloseTo(5.5 / 10, 6)
    const worst = measurePair(pair, orderByGain([1, 0, 1, 0]))
    expect(worst.apgr).toBeCloseTo(0.25, 6)
    expect(worst.cpt50).toBeCloseTo(0.75, 6)
  })

  it('come to one half in the mean when the order is by chance', () => {
    const score = fc.constantFrom(0, 0, 1)
    fc.assert(
      fc.property(fc.array(fc.tuple(score, score), { minLength: 3, maxLength: 30 }), (scores) => {
        const some = {
          weak: points(
            scores.map(([weak]) => weak),
            1,
          ),
          strong: points(
            scores.map(([, strong]) => strong),
            2,
          ),
        }
        const gap = scores.reduce((sum, [weak, strong]) => sum + strong - weak, 0)
        fc.pre(gap > 0)
        const gains = scores.map((_, at) => at)
        const there = measurePair(some, orderByGain(gains)).apgr
        const back = measurePair(some, orderByGain(gains.map((gain) => -gain))).apgr
        expect(there + back).toBeCloseTo(1, 6)
      }),
    )
  })

  it('count a prompt as often as a resample has drawn it', () => {
    const order = orderByGain([0.1, 0.9, 0.2, 0.5])
    const drawn = measurePair(pair, order, [0, 2, 1, 1])
    const written = { weak: points([0, 0, 1, 0], 1), strong: points([1, 1, 1, 1], 10) }
    expect(drawn).toEqual(measurePair(written, orderByGain([0.9, 0.9, 0.2, 0.5])))
  })
})

describe('a hull', () => {
  it('leaves out what chance between two others gives for less', () => {
    const hull = hullOf([
      { costUsd: 1, quality: 0.5 },
      { costUsd: 2, quality: 0.55 },
      { costUsd: 3, quality: 0.9 },
      { costUsd: 5, quality: 0.8 },
    ])
    expect(hull).toEqual([
      { costUsd: 1, quality: 0.5 },
      { costUsd: 3, quality: 0.9 },
    ])
    expect(qualityAt(hull, 2)).toBeCloseTo(0.7)
    expect(qualityAt(hull, 9)).toBe(0.9)
    expect(costAt(hull, 0.7)).toBeCloseTo(2)
    expect(costAt(hull, 0.95)).toBeUndefined()
    expect(meanHeight(hull, 1, 3)).toBeCloseTo(0.7)
  })

  it('lies above all of its points, never falls and never bends upwards', () => {
    const point = fc.record({ costUsd: fc.integer({ min: 1, max: 50 }), quality: fc.integer({ min: 0, max: 50 }) })
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 20 }), (some) => {
        const hull = hullOf(some)
        for (const { costUsd, quality } of some) expect(qualityAt(hull, costUsd)).toBeGreaterThanOrEqual(quality - 1e-9)
        const slopes = hull
          .slice(1)
          .map(({ quality, costUsd }, at) => (quality - hull[at]!.quality) / (costUsd - hull[at]!.costUsd))
        expect(slopes.every((slope) => slope > 0)).toBe(true)
        for (let at = 1; at < slopes.length; at++) expect(slopes[at]!).toBeLessThanOrEqual(slopes[at - 1]! + 1e-9)
      }),
    )
  })

  it('has RouterArena score a published row as published', () => {
    expect(arenaScore({ quality: 0.7396, costUsd: 10.02 / 1000 })).toBeCloseTo(64.3, 1)
  })
})

describe('a pool', () => {
  const outcomes = {
    models: ['cheap', 'dear'],
    scores: [
      [1, 0],
      [0, 1],
      [1, 1],
      [0, 1],
    ].map((row) => Float64Array.from(row)),
    costs: Array.from({ length: 4 }, () => Float64Array.of(1, 10)),
  }

  it('is above the zero router when what is expected is what comes, and not when it is the reverse', () => {
    const knowing = measurePool(outcomes, { qualities: outcomes.scores, costs: outcomes.costs })
    expect(knowing.peak).toBe(1)
    expect(knowing.aboveZeroRouter).toBeGreaterThan(0.1)
    const wrong = outcomes.scores.map((row) => row.map((score) => 1 - score))
    expect(measurePool(outcomes, { qualities: wrong, costs: outcomes.costs }).aboveZeroRouter).toBeLessThan(0)
  })
})

it('draws the same resamples each time, and takes the middle 95 % of values', () => {
  const sums = () => [...resamples(50, 3)].map((times) => times.join())
  expect(sums()).toEqual(sums())
  expect([...resamples(50, 3)].every((times) => times.reduce((sum, each) => sum + each, 0) === 50)).toBe(true)
  expect(intervalOf(Array.from({ length: 1000 }, (_, at) => at))).toEqual([25, 975])
})
