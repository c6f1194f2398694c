import { seededRandom } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Belief, propensities } from './propensities.ts'

const belief = fc.record({
  mean: fc.double({ min: -2, max: 2, noNaN: true }),
  variance: fc.double({ min: 0.001, max: 1, noNaN: true }),
})
const beliefs = fc.array(belief, { minLength: 2, maxLength: 4 })

/** How often each is the highest of samples: Thompson sampling as it is told. */
function sampled(all: readonly Belief[], times: number): number[] {
  const random = seededRandom(7)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const highest = all.map(() => 0)
  for (let time = 0; time < times; time++) {
    const values = all.map(({ mean, variance }) => mean + Math.sqrt(variance) * normal())
    highest[values.indexOf(Math.max(...values))]!++
  }
  return highest.map((count) => count / times)
}

describe('propensities', () => {
  it('sum to 1, and none is negative', () => {
    fc.assert(
      fc.property(beliefs, (all) => {
        const chances = propensities(all)
        expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9)
        for (const chance of chances) expect(chance).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  it('are how often a sample of each is the highest', () => {
    fc.assert(
      fc.property(beliefs, (all) => {
        const drawn = sampled(all, 20_000)
        propensities(all).forEach((chance, at) => expect(Math.abs(chance - drawn[at]!)).toBeLessThan(0.02))
      }),
      { numRuns: 30 },
    )
  })

  it('are alike for arms alike, and higher for a higher mean of the same certainty', () => {
    const [one, two, three] = propensities([
      { mean: 0.5, variance: 0.1 },
      { mean: 0.5, variance: 0.1 },
      { mean: 0.6, variance: 0.1 },
    ])
    expect(one).toBeCloseTo(two!, 12)
    expect(three).toBeGreaterThan(one!)
  })
})
