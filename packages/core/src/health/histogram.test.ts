import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createHistogram } from './histogram.ts'

const time = fc.double({ min: 1, max: 3_600_000, noNaN: true })
const share = fc.double({ min: 0, max: 1, noNaN: true })

it('says nothing while it is empty', () => {
  expect(createHistogram().percentileMs(0.5)).toBeUndefined()
})

it('gives every percentile within 4.5 % of the sorted list', () => {
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 300 }), share, (times, at) => {
      const histogram = createHistogram()
      for (const one of times) histogram.add(one)
      const exact = times.toSorted((one, other) => one - other)[Math.max(1, Math.ceil(at * times.length)) - 1]!
      expect(Math.abs(histogram.percentileMs(at)! / exact - 1)).toBeLessThanOrEqual(0.045)
    }),
  )
})

it('forgets what is subtracted', () => {
  fc.assert(
    fc.property(fc.array(time, { maxLength: 50 }), fc.array(time, { maxLength: 50 }), (kept, gone) => {
      const [all, part, rest] = [createHistogram(), createHistogram(), createHistogram()]
      for (const one of [...kept, ...gone]) all.add(one)
      for (const one of gone) part.add(one)
      for (const one of kept) rest.add(one)
      all.subtract(part)
      expect([all.count, ...all.bins]).toEqual([rest.count, ...rest.bins])
    }),
  )
})

it('puts nonsense and extremes into its first and last bins', () => {
  const histogram = createHistogram()
  for (const odd of [0, -5, Number.NaN]) histogram.add(odd)
  expect(histogram.percentileMs(1)).toBe(1)
  histogram.add(Infinity)
  expect(histogram.percentileMs(1)).toBeGreaterThan(3_600_000)
})
