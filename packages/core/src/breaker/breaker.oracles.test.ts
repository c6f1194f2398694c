import { createFakeClock } from '@signalbox/testkit'
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  IterableBackoff,
  SamplingBreaker,
  circuitBreaker,
  handleAll,
} from 'cockatiel'
import type { CircuitBreakerPolicy } from 'cockatiel'
import * as fc from 'fast-check'
import CircuitBreaker from 'opossum'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createBreaker } from './breaker.ts'
import type { BreakerOptions } from './breaker.ts'

/*
 * One caller at a time, the same calls to ours and to another library's breaker: they admit and refuse the same.
 * By design ours differs, and the sequences below keep clear of it, where
 * - several callers meet a half-open breaker: cockatiel lets them wait for the probe and then run, ours refuses them;
 * - a probe never ends: theirs stay half-open for ever, ours has a lease;
 * - the failure rate is the threshold itself: theirs stay closed, ours opens;
 * - a breaker has closed again: cockatiel's sampling has counted the probe, opossum still counts the old failures and
 *   the calls it refused, ours starts from nothing;
 * - nobody calls for a while: cockatiel's sampling windows turn only as calls come, ours by the clock.
 */

type Step = { afterMs: number; fails: boolean }
type Outcome = 'refused' | 'called'

/** A rate that no share of two small whole numbers equals. */
const oddThreshold = 0.4567

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

it('agrees with cockatiel on consecutive failures, with open times that grow', async () => {
  const steps = fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 0, 40, 100, 400), fails: fc.boolean() }))
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (consecutiveFailures, calls) => {
      const theirs = circuitBreaker(handleAll, {
        breaker: new ConsecutiveBreaker(consecutiveFailures),
        halfOpenAfter: new IterableBackoff([100, 200, 400, 500]),
      })
      const ours = create({ consecutiveFailures, failureRate: false, openMs: 100, maxOpenMs: 500 })
      for (const call of calls) expect(ours(call)).toBe(await askCockatiel(theirs, call))
    }),
    { numRuns: 300 },
  )
})

it('agrees with cockatiel on the failure rate until the breaker closes again', async () => {
  const steps = fc.array(fc.record({ afterMs: fc.constantFrom(0, 1, 20), fails: fc.boolean() }), { maxLength: 100 })
  await fc.assert(
    fc.asyncProperty(steps, async (calls) => {
      const sampling = new SamplingBreaker({ threshold: oddThreshold, duration: 10_000, minimumRps: 0.8 })
      const theirs = circuitBreaker(handleAll, { breaker: sampling, halfOpenAfter: 100 })
      const failureRate = { threshold: oddThreshold, minimumCalls: 8, windowMs: 10_000 }
      const ours = create({ consecutiveFailures: false, failureRate, openMs: 100, maxOpenMs: 100 })
      let wasOpen = false
      for (const call of calls) {
        expect(ours(call)).toBe(await askCockatiel(theirs, call))
        if (wasOpen && theirs.state === CircuitState.Closed) return
        wasOpen ||= theirs.state !== CircuitState.Closed
      }
    }),
    { numRuns: 300 },
  )
})

it('agrees with opossum on the sliding failure rate, and on one probe, until the breaker closes again', async () => {
  const steps = fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 7, 50, 320), fails: fc.boolean() }), {
    maxLength: 100,
  })
  await fc.assert(
    fc.asyncProperty(steps, async (calls) => {
      vi.setSystemTime(0)
      const theirs = createOpossum()
      const failureRate = { threshold: oddThreshold, minimumCalls: 5, windowMs: 1_000 }
      const ours = create({ consecutiveFailures: false, failureRate, openMs: 100, maxOpenMs: 100 })
      let wasOpen = false
      for (const call of calls) {
        expect(ours(call)).toBe(await askOpossum(theirs, call))
        if (wasOpen && theirs.closed) break
        wasOpen ||= !theirs.closed
      }
      theirs.shutdown()
    }),
    { numRuns: 300 },
  )
})

function create(options: BreakerOptions) {
  const clock = createFakeClock()
  const breaker = createBreaker(options, { clock })
  return ({ afterMs, fails }: Step): Outcome => {
    clock.advanceSync(afterMs)
    const permit = breaker.tryAcquire()
    if (fails) permit?.failure()
    else permit?.success()
    return permit ? 'called' : 'refused'
  }
}

async function upstream(fails: boolean) {
  if (fails) throw new Error('upstream')
}

async function askCockatiel(breaker: CircuitBreakerPolicy, { afterMs, fails }: Step): Promise<Outcome> {
  vi.advanceTimersByTime(afterMs)
  return breaker
    .execute(() => upstream(fails))
    .then(
      () => 'called',
      (error: unknown) => (error instanceof BrokenCircuitError ? 'refused' : 'called'),
    )
}

const createOpossum = () =>
  new CircuitBreaker(upstream, {
    timeout: false,
    errorThresholdPercentage: oddThreshold * 100,
    volumeThreshold: 5,
    resetTimeout: 100,
    rollingCountTimeout: 1_000,
    rollingCountBuckets: 20,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
  })

async function askOpossum(breaker: ReturnType<typeof createOpossum>, { afterMs, fails }: Step): Promise<Outcome> {
  vi.advanceTimersByTime(afterMs)
  return breaker.fire(fails).then(
    () => 'called',
    (error: unknown) => (CircuitBreaker.isOurError(error as Error) ? 'refused' : 'called'),
  )
}
