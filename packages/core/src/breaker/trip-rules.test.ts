import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { consecutiveFailuresRule, failureRateRule } from './trip-rules.ts'

const create = () => failureRateRule({ threshold: 0.5, minimumCalls: 4, windowMs: 2_000 })

describe('the rule of consecutive failures', () => {
  it('trips at the limit and not before', () => {
    const rule = consecutiveFailuresRule(3)
    expect([rule.failure(0), rule.failure(0), rule.failure(0)]).toEqual([false, false, true])
  })

  it('starts again after a success', () => {
    const rule = consecutiveFailuresRule(2)
    rule.failure(0)
    rule.success(0)
    expect([rule.failure(0), rule.failure(0)]).toEqual([false, true])
  })
})

describe('the rule of the failure rate', () => {
  it('waits for the minimum of calls', () => {
    const rule = create()
    expect([1, 2, 3, 4].map(() => rule.failure(0))).toEqual([false, false, false, true])
  })

  it('trips at the threshold itself', () => {
    const rule = create()
    for (const fails of [false, false, true]) void (fails ? rule.failure(0) : rule.success(0))
    expect(rule.failure(0)).toBe(true)
  })

  it('forgets what has left the window, after a silence of any length too', () => {
    const rule = create()
    for (let call = 0; call < 3; call++) rule.failure(0)
    expect(rule.counts(1_999)).toEqual({ calls: 3, failures: 3 })
    expect(rule.counts(2_000)).toEqual({ calls: 0, failures: 0 })
    for (let call = 0; call < 3; call++) rule.failure(2_000)
    expect(rule.failure(1_000_000)).toBe(false)
  })

  it('counts exactly the calls in the last twenty buckets, like a plain list of them', () => {
    const step = fc.record({ afterMs: fc.nat({ max: 700 }), fails: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const rule = create()
        const past: { bucket: number; fails: boolean }[] = []
        let nowMs = 0
        for (const { afterMs, fails } of steps) {
          nowMs += afterMs
          const bucket = Math.floor(nowMs / 100)
          past.push({ bucket, fails })
          const inWindow = past.filter((call) => call.bucket > bucket - 20)
          const failures = inWindow.filter((call) => call.fails).length
          const trips = fails && inWindow.length >= 4 && failures >= inWindow.length / 2
          expect(fails ? rule.failure(nowMs) : (rule.success(nowMs), false)).toBe(trips)
          expect(rule.counts(nowMs)).toEqual({ calls: inWindow.length, failures })
        }
      }),
    )
  })
})
