import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { createBreaker } from './breaker.ts'
import type { Breaker, BreakerChange, BreakerOptions } from './breaker.ts'

function setUp(options: BreakerOptions = {}) {
  const clock = createFakeClock()
  const changes: BreakerChange[] = []
  const breaker = createBreaker(options, { clock, onChange: (change) => changes.push(change) })
  return { clock, breaker, changes }
}

function fail(breaker: Breaker, times = 5) {
  for (let call = 0; call < times; call++) breaker.tryAcquire()?.failure()
}

function halfOpened(options: BreakerOptions = {}) {
  const all = setUp(options)
  fail(all.breaker)
  all.clock.advanceSync(30_000)
  return all
}

describe('a closed breaker', () => {
  it('opens at the fifth failure in a row and says why', () => {
    const { breaker, changes } = setUp()
    fail(breaker, 4)
    expect(breaker.state).toBe('closed')
    fail(breaker, 1)
    expect(breaker.state).toBe('open')
    expect(changes).toEqual([{ from: 'closed', to: 'open', reason: 'consecutive-failures', retryAfterMs: 30_000 }])
  })

  it('opens on the failure rate though successes come between', () => {
    const { breaker, changes } = setUp()
    for (let pair = 0; pair < 10; pair++) {
      breaker.tryAcquire()?.success()
      breaker.tryAcquire()?.failure()
    }
    expect(changes.map(({ reason }) => reason)).toEqual(['failure-rate'])
  })

  it('counts no permit that was given back unjudged', () => {
    const { breaker } = setUp({ failureRate: false })
    fail(breaker, 4)
    breaker.tryAcquire()?.ignore()
    fail(breaker, 1)
    expect(breaker.state).toBe('open')
  })

  it('counts each permit once', () => {
    const { breaker } = setUp({ consecutiveFailures: 2 })
    const permit = breaker.tryAcquire()!
    permit.failure()
    permit.failure()
    permit.success()
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', consecutiveFailures: 1, calls: 1, failures: 1 })
  })

  it('never opens when both rules are off', () => {
    const { breaker } = setUp({ consecutiveFailures: false, failureRate: false })
    fail(breaker, 1_000)
    expect(breaker.state).toBe('closed')
  })
})

describe('an open breaker', () => {
  it('refuses everyone and says when to come back', () => {
    const { breaker, clock } = setUp()
    fail(breaker)
    clock.advanceSync(10_000)
    expect(breaker.tryAcquire()).toBeUndefined()
    expect(breaker.retryAfterMs()).toBe(20_000)
  })

  it('does not listen to calls that began before it opened', () => {
    const { breaker, clock } = setUp()
    const late = [breaker.tryAcquire()!, breaker.tryAcquire()!]
    fail(breaker)
    late[0]!.success()
    expect(breaker.state).toBe('open')
    clock.advanceSync(30_000)
    const probe = breaker.tryAcquire()
    late[1]!.failure()
    expect(breaker.state).toBe('half-open')
    probe?.success()
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', consecutiveFailures: 0, calls: 0, trips: 0 })
  })

  it('reads half-open when its time is over, and moves only when a permit is taken', () => {
    const { breaker, changes } = halfOpened()
    expect([breaker.state, breaker.retryAfterMs(), breaker.snapshot().state]).toEqual(['half-open', 0, 'half-open'])
    expect(changes).toHaveLength(1)
    breaker.tryAcquire()
    expect(changes[1]).toEqual({ from: 'open', to: 'half-open', reason: 'open-time-over', retryAfterMs: 0 })
  })

  it('stays open twice as long with each trip up to the cap, and starts small again after a close', () => {
    const { breaker, clock, changes } = setUp()
    fail(breaker)
    for (let trip = 0; trip < 5; trip++) {
      clock.advanceSync(breaker.retryAfterMs())
      breaker.tryAcquire()!.failure()
    }
    clock.advanceSync(breaker.retryAfterMs())
    breaker.tryAcquire()!.success()
    fail(breaker)
    const waits = changes.filter(({ to }) => to === 'open').map(({ retryAfterMs }) => retryAfterMs / 1_000)
    expect(waits).toEqual([30, 60, 120, 240, 300, 300, 30])
  })
})

describe('a half-open breaker', () => {
  it.each([1, 3])('admits exactly %i of 200 callers', (halfOpenProbes) => {
    const { breaker } = halfOpened({ halfOpenProbes })
    const permits = Array.from({ length: 200 }, () => breaker.tryAcquire())
    expect(permits.filter(Boolean)).toHaveLength(halfOpenProbes)
    expect(breaker.snapshot().probes).toBe(halfOpenProbes)
  })

  it('closes at a success and opens at a failure', () => {
    const { breaker, clock, changes } = halfOpened()
    breaker.tryAcquire()!.failure()
    expect(breaker.state).toBe('open')
    clock.advanceSync(60_000)
    breaker.tryAcquire()!.success()
    expect(breaker.state).toBe('closed')
    expect(changes.map(({ reason }) => reason).slice(2)).toEqual(['probe-failed', 'open-time-over', 'probe-succeeded'])
  })

  it('waits for as many successes as asked for, and one failure undoes them', () => {
    const { breaker } = halfOpened({ successesToClose: 3 })
    for (let probe = 0; probe < 2; probe++) breaker.tryAcquire()!.success()
    expect(breaker.state).toBe('half-open')
    breaker.tryAcquire()!.failure()
    expect(breaker.state).toBe('open')
  })

  it('gives the permit of an aborted probe to the next caller and stays half-open', () => {
    const { breaker } = halfOpened()
    breaker.tryAcquire()!.ignore()
    expect(breaker.state).toBe('half-open')
    expect(breaker.tryAcquire()).toBeDefined()
  })

  it('takes a lost permit back when its lease ends, and then ignores it', () => {
    const { breaker, clock } = halfOpened()
    const lost = breaker.tryAcquire(5_000)!
    expect(breaker.retryAfterMs()).toBe(5_000)
    clock.advanceSync(5_000)
    expect(breaker.retryAfterMs()).toBe(0)
    lost.failure()
    expect(breaker.state).toBe('half-open')
    expect(breaker.tryAcquire()).toBeDefined()
    expect(breaker.tryAcquire()).toBeUndefined()
  })

  it('asks callers to come back after one open time at most, however long the probe may take', () => {
    const { breaker } = halfOpened()
    breaker.tryAcquire(600_000)
    expect(breaker.retryAfterMs()).toBe(30_000)
  })

  it('lets only the first verdict of several probes count', () => {
    const { breaker } = halfOpened({ halfOpenProbes: 2 })
    const [one, other] = [breaker.tryAcquire()!, breaker.tryAcquire()!]
    one.success()
    other.failure()
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', consecutiveFailures: 0 })
  })
})

describe('the options', () => {
  it.each([
    [{ consecutiveFailures: 0 }, 'breaker: consecutiveFailures must be a whole number from 1, got 0'],
    [{ openMs: Number.NaN }, 'breaker: openMs must be a finite number above 0, got NaN'],
    [{ openMs: 10, maxOpenMs: 5 }, 'breaker: maxOpenMs must be a finite number from openMs, 10, got 5'],
    [{ halfOpenProbes: 1.5 }, 'breaker: halfOpenProbes must be a whole number from 1, got 1.5'],
    [{ failureRate: { threshold: 0 } }, 'breaker: failureRate.threshold must be above 0 and at most 1, got 0'],
    [{ failureRate: { windowMs: -1 } }, 'breaker: failureRate.windowMs must be a finite number above 0, got -1'],
  ])('%j are refused, saying what came', (options, message) => {
    expect(() => setUp(options)).toThrow(new RangeError(message))
  })

  it('keep the longest open time at least as long as the first', () => {
    const { breaker } = setUp({ openMs: 600_000 })
    fail(breaker)
    expect(breaker.retryAfterMs()).toBe(600_000)
  })
})
