import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { Latencies } from './latencies.ts'

const latency = fc.oneof(fc.double({ min: 0, max: 2_000, noNaN: true }), fc.double({ min: 0, max: 5e8, noNaN: true }))

it('gives the percentile that sorting gives, to three significant digits, of few and of many', () => {
  fc.assert(
    fc.property(
      fc.array(latency, { minLength: 1 }),
      fc.constantFrom(1, 300),
      fc.integer({ min: 1, max: 100 }),
      (some, times, percent) => {
        const parts = [new Latencies(), new Latencies()]
        const all = Array.from({ length: times }, () => some).flat()
        for (const [index, ms] of all.entries()) parts[index % 2]!.add(ms)
        const merged = new Latencies()
        for (const part of parts) merged.merge(part)
        const exact = all.toSorted((a, b) => a - b)[Math.ceil((all.length * percent) / 100) - 1]!
        expect(Math.abs(merged.percentileMs(percent) - exact)).toBeLessThanOrEqual(Math.max(0.5, exact / 190))
      },
    ),
  )
})

it('is 0 of none', () => {
  expect(new Latencies().percentileMs(99)).toBe(0)
})
