import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRetryBudget } from './budget.ts'
import type { RetryBudgetOptions } from './budget.ts'

function setUp(options: RetryBudgetOptions = {}) {
  const clock = createFakeClock()
  const budget = createRetryBudget(options, clock)
  const request = (times: number) => {
    for (let call = 0; call < times; call++) budget.recordRequest()
  }
  const take = (times: number) => {
    let taken = 0
    for (let call = 0; call < times; call++) if (budget.tryTake()) taken++
    return taken
  }
  return { clock, budget, request, take }
}

/** Every request fails at once and asks for up to two retries. Retries taken for each request made. */
function outage({
  perSecond,
  seconds,
  quietSeconds = 0,
}: Record<'perSecond' | 'seconds', number> & { quietSeconds?: number }) {
  const { clock, request, take } = setUp()
  const gapMs = 1_000 / perSecond
  for (let call = 0; call < quietSeconds * perSecond; call++) {
    request(1)
    clock.advanceSync(gapMs)
  }
  let retries = 0
  for (let call = 0; call < seconds * perSecond; call++) {
    request(1)
    retries += take(2)
    clock.advanceSync(gapMs)
  }
  return retries / (seconds * perSecond)
}

describe('the retry budget', () => {
  it('allows one retry for ten requests', () => {
    const { request, take } = setUp({ minimumPerSecond: 0 })
    request(9)
    expect(take(5)).toBe(0)
    request(1)
    expect(take(5)).toBe(1)
    request(30)
    expect(take(5)).toBe(3)
  })

  it('allows one a second however few the requests are', () => {
    const { clock, request, take } = setUp()
    request(1)
    expect(take(5)).toBe(1)
    clock.advanceSync(999)
    expect(take(5)).toBe(0)
    clock.advanceSync(1)
    expect(take(5)).toBe(1)
  })

  it('gives the larger of ratio and floor, not their sum', () => {
    const { clock, request, take } = setUp()
    let retries = 0
    for (let second = 0; second < 600; second++) {
      request(5)
      retries += take(5)
      clock.advanceSync(1_000)
    }
    expect(retries).toBe(600)
  })

  it('saves up to the burst and no more', () => {
    const { request, take } = setUp({ minimumPerSecond: 0 })
    request(100_000)
    expect(take(50)).toBe(10)
  })

  it('keeps what a request earned while it can still fail by timeout, and lets it lapse after', () => {
    const kept = setUp({ minimumPerSecond: 0, windowMs: 240_000 })
    kept.request(100)
    kept.clock.advanceSync(240_000)
    expect(kept.take(50)).toBe(10)
    const lapsed = setUp({ minimumPerSecond: 0, windowMs: 240_000 })
    lapsed.request(100)
    lapsed.clock.advanceSync(240_000)
    lapsed.request(10)
    lapsed.clock.advanceSync(240_000)
    expect(lapsed.take(50)).toBe(1)
  })

  it('spends what was earned before and what was earned now once each', () => {
    const { clock, request, take } = setUp({ minimumPerSecond: 0, windowMs: 1_000 })
    request(50)
    clock.advanceSync(1_000)
    request(50)
    expect(take(50)).toBe(10)
  })

  it('keeps nothing over a long silence', () => {
    const { clock, request, take } = setUp({ minimumPerSecond: 0, windowMs: 1_000 })
    request(50)
    clock.advanceSync(2_000)
    expect(take(50)).toBe(0)
  })

  it('costs a total outage at most 1.1 requests for each request', () => {
    expect(outage({ perSecond: 50, seconds: 600 })).toBeLessThanOrEqual(0.1)
    expect(outage({ perSecond: 50, seconds: 600 })).toBeGreaterThan(0.099)
  })

  it('costs an outage after quiet times no more than the burst beyond that', () => {
    expect(outage({ perSecond: 50, seconds: 600, quietSeconds: 600 })).toBeLessThanOrEqual(0.1 + 10 / 30_000)
  })

  it('holds its bound over every stretch of time, whatever comes when', () => {
    const step = fc.record({
      afterMs: fc.nat({ max: 3_000 }),
      requests: fc.nat({ max: 40 }),
      asks: fc.nat({ max: 40 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 1, 3), (steps, minimumPerSecond) => {
        const { clock, request, take } = setUp({ minimumPerSecond, windowMs: 20_000 })
        const past: { atMs: number; requests: number; retries: number }[] = []
        for (const { afterMs, requests, asks } of steps) {
          clock.advanceSync(afterMs)
          request(requests)
          past.push({ atMs: clock.now(), requests, retries: take(asks) })
          expect(excess(past, minimumPerSecond)).toBeLessThanOrEqual(1e-6)
        }
      }),
    )
  })

  it.each([
    [{ ratio: -0.1 }, 'retry budget: ratio must be a finite number from 0, got -0.1'],
    [{ windowMs: 0 }, 'retry budget: windowMs must be a finite number above 0, got 0'],
    [{ burst: Number.NaN }, 'retry budget: burst must be a finite number from 1, got NaN'],
  ])('refuses %j, saying what came', (options, message) => {
    expect(() => setUp(options)).toThrow(new RangeError(message))
  })
})

/** Of all stretches that end now, the most retries beyond what the ratio, the burst and the floor allow in one. */
function excess(past: readonly { atMs: number; requests: number; retries: number }[], minimumPerSecond: number) {
  const nowMs = past.at(-1)!.atMs
  let left = 10
  let most = -Infinity
  for (const { atMs, requests, retries } of past.toReversed()) {
    left += requests * 0.1 - retries
    const floor = minimumPerSecond > 0 ? ((nowMs - atMs) / 1_000) * minimumPerSecond + 1 : 0
    most = Math.max(most, -left - floor)
  }
  return most
}
