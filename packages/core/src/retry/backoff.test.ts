import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fullJitterDelayMs } from './backoff.ts'

describe('the full-jitter backoff', () => {
  it('doubles its upper end with each attempt up to the cap', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((attempt) =>
      fullJitterDelayMs({ attempt, baseMs: 500, maxMs: 5_000, random: () => 0.5 }),
    )
    expect(delays).toEqual([250, 500, 1_000, 2_000, 2_500, 2_500])
  })

  it('is never negative, never above its upper end, and finite for any attempt', () => {
    const wait = fc.record({
      attempt: fc.integer({ min: 1, max: 5_000 }),
      baseMs: fc.integer({ min: 1, max: 10_000 }),
      maxMs: fc.integer({ min: 1, max: 60_000 }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    fc.assert(
      fc.property(wait, ({ chance, ...given }) => {
        const delayMs = fullJitterDelayMs({ ...given, random: () => chance })
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(Math.min(given.maxMs, given.baseMs * 2 ** (given.attempt - 1)))
      }),
    )
  })
})
