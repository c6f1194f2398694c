import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createBreaker } from './breaker.ts'
import type { Breaker, BreakerChange, Permit } from './breaker.ts'

type Verdict = 'success' | 'failure' | 'ignore'
type Step = { acquire: true } | { resolve: number; verdict: Verdict } | { afterMs: number }

const options = fc.record({
  consecutiveFailures: fc.constantFrom<(number | false)[]>(1, 2, 5, false),
  failureRate: fc.constantFrom({ threshold: 0.5, minimumCalls: 4, windowMs: 1_000 }, false as const),
  openMs: fc.constant(100),
  maxOpenMs: fc.constantFrom(100, 350, 10_000),
  halfOpenProbes: fc.integer({ min: 1, max: 4 }),
  successesToClose: fc.integer({ min: 1, max: 3 }),
})

const verdict = fc.constantFrom<Verdict[]>('success', 'failure', 'failure', 'ignore')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ acquire: true as const }) },
  { weight: 4, arbitrary: fc.record({ resolve: fc.nat({ max: 50 }), verdict }) },
  { weight: 1, arbitrary: fc.record({ afterMs: fc.nat({ max: 250 }) }) },
)

const leaseMs = 200

it('keeps its promises under any sequence of calls, verdicts and time', () => {
  fc.assert(
    fc.property(options, fc.array(step, { maxLength: 300 }), (settings, steps) => {
      const clock = createFakeClock()
      const changes: BreakerChange[] = []
      const breaker = createBreaker(settings, { clock, onChange: (change) => changes.push(change) })
      const permits: Permit[] = []
      for (const one of steps) {
        if ('afterMs' in one) clock.advanceSync(one.afterMs)
        else if ('resolve' in one) permits[one.resolve % Math.max(1, permits.length)]?.[one.verdict]()
        else acquire(breaker, permits)
        expect(breaker.snapshot().probes).toBeLessThanOrEqual(settings.halfOpenProbes)
        expect(breaker.retryAfterMs()).toBeLessThanOrEqual(settings.maxOpenMs)
      }
      expectChain(changes)
      expectFreeAgain(breaker, () => clock.advanceSync(Math.max(leaseMs, settings.maxOpenMs)))
    }),
    { numRuns: 500 },
  )
})

/** A permit is had exactly when the breaker says that there is no need to wait. */
function acquire(breaker: Breaker, permits: Permit[]) {
  const free = breaker.retryAfterMs() === 0
  expect(breaker.state).not.toBe(free ? 'open' : 'closed')
  const permit = breaker.tryAcquire(leaseMs)
  expect(permit !== undefined).toBe(free)
  if (permit) permits.push(permit)
}

/** Each change begins where the last one ended, and only along the lines of the diagram. */
function expectChain(changes: readonly BreakerChange[]) {
  const allowed = ['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed']
  let at = 'closed'
  for (const { from, to, retryAfterMs } of changes) {
    expect(from).toBe(at)
    expect(allowed).toContain(`${from}>${to}`)
    expect(retryAfterMs > 0).toBe(to === 'open')
    at = to
  }
}

/** However it was left, with permits lost or not, it is never stuck. */
function expectFreeAgain(breaker: Breaker, wait: () => void) {
  wait()
  for (let probe = 0; probe < 3; probe++) {
    const permit = breaker.tryAcquire()
    expect(permit).toBeDefined()
    permit!.success()
  }
  expect(breaker.state).toBe('closed')
}
