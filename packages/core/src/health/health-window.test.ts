import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createHealthWindow } from './health-window.ts'
import type { HealthOptions, HealthSample, HealthSnapshot } from './health-window.ts'

function setUp(options: HealthOptions = {}) {
  const clock = createFakeClock()
  const health = createHealthWindow(options, clock)
  const record = (times: number, sample: HealthSample) => {
    for (let call = 0; call < times; call++) health.record(sample)
  }
  return { clock, health, record }
}

const fast: HealthSample = { outcome: 'success', latencyMs: 500, firstTokenMs: 100 }

describe('the health window', () => {
  it('knows nothing and is healthy at first', () => {
    expect(setUp().health.snapshot()).toEqual({
      calls: 0,
      errorRate: 0,
      timeoutRate: 0,
      p50Ms: undefined,
      p99Ms: undefined,
      firstTokenP50Ms: undefined,
      state: 'healthy',
    })
  })

  it('gives rates and percentiles', () => {
    const { health, record } = setUp()
    record(98, fast)
    record(1, { outcome: 'failure', latencyMs: 1 })
    record(1, { outcome: 'timeout', latencyMs: 30_000 })
    const seen = health.snapshot()
    expect(seen).toMatchObject({ calls: 100, errorRate: 0.02, timeoutRate: 0.01 })
    expect(seen.p50Ms! / 500).toBeCloseTo(1, 1)
    expect(seen.firstTokenP50Ms! / 100).toBeCloseTo(1, 1)
    expect(seen.p99Ms! / 30_000).toBeCloseTo(1, 1)
  })

  it.each<[string, number, HealthSample, string]>([
    ['3 % errors', 3, { outcome: 'failure' }, 'degraded'],
    ['6 % errors', 6, { outcome: 'failure' }, 'unhealthy'],
    ['2 % errors', 2, { outcome: 'failure' }, 'healthy'],
    ['4 % timeouts', 4, { outcome: 'timeout' }, 'unhealthy'],
    ['a p99 of 2 s', 2, { outcome: 'success', latencyMs: 2_000 }, 'degraded'],
    ['a p99 of 4 s', 2, { outcome: 'success', latencyMs: 4_000 }, 'unhealthy'],
    ['nothing but slow first tokens', 50, { outcome: 'success', firstTokenMs: 9_000 }, 'healthy'],
    ['half of the calls rate-limited', 50, { outcome: 'rate-limited', latencyMs: 9_000 }, 'healthy'],
    ['half of the calls aborted', 50, { outcome: 'ignored', latencyMs: 9_000 }, 'healthy'],
  ])('with %s among 100 calls (%i of %o) is %s', (_, times, sample, state) => {
    const { health, record } = setUp()
    record(times, sample)
    record(100 - times, fast)
    expect(health.snapshot().state).toBe(state)
  })

  it('does not judge before the minimum of calls', () => {
    const { health, record } = setUp()
    record(9, { outcome: 'failure' })
    expect(health.snapshot().state).toBe('healthy')
    record(1, { outcome: 'failure' })
    expect(health.snapshot().state).toBe('unhealthy')
  })

  it('follows its own thresholds, one by one', () => {
    const { health, record } = setUp({ unhealthy: { p99Ms: 60_000 }, degraded: { p99Ms: 30_000, timeoutRate: 0.5 } })
    record(10, { outcome: 'success', latencyMs: 20_000 })
    expect(health.snapshot().state).toBe('healthy')
    record(10, { outcome: 'failure' })
    expect(health.snapshot().state).toBe('unhealthy')
  })

  it('notices a recovery as bad buckets leave, with no call at all too', () => {
    const { health, record, clock } = setUp()
    record(20, { outcome: 'timeout', latencyMs: 30_000 })
    clock.advanceSync(284_000)
    expect(health.state).toBe('unhealthy')
    clock.advanceSync(16_000)
    expect(health.state).toBe('healthy')
    expect(health.snapshot()).toMatchObject({ calls: 0, p99Ms: undefined })
  })

  it('computes its state once in a while, not at each reading', () => {
    const { health, record, clock } = setUp()
    expect(health.state).toBe('healthy')
    record(20, { outcome: 'failure' })
    clock.advanceSync(999)
    expect(health.state).toBe('healthy')
    clock.advanceSync(1)
    expect(health.state).toBe('unhealthy')
  })

  it('counts exactly the calls in the last twenty buckets, like a plain list of them', () => {
    const sample = fc.record({
      outcome: fc.constantFrom<HealthSample['outcome'][]>('success', 'failure', 'timeout', 'rate-limited', 'ignored'),
      latencyMs: fc.integer({ min: 1, max: 60_000 }),
    })
    const afterMs = fc.oneof(
      { weight: 9, arbitrary: fc.nat({ max: 40_000 }) },
      { arbitrary: fc.nat({ max: 700_000 }), weight: 1 },
    )
    fc.assert(
      fc.property(fc.array(fc.record({ afterMs, sample }), { maxLength: 150 }), (steps) => {
        const { health, clock } = setUp()
        const past: { bucket: number; sample: Required<Omit<HealthSample, 'firstTokenMs'>> }[] = []
        for (const step of steps) {
          clock.advanceSync(step.afterMs)
          health.record(step.sample)
          const bucket = Math.floor(clock.now() / 15_000)
          past.push({ bucket, sample: step.sample })
          const inWindow = past.filter((call) => call.bucket > bucket - 20).map((call) => call.sample)
          expect(excerpt(health.snapshot())).toEqual(plainly(inWindow))
        }
      }),
    )
  })

  it.each([
    [{ windowMs: Infinity }, 'health: windowMs must be a finite number above 0, got Infinity'],
    [{ minimumCalls: 1.5 }, 'health: minimumCalls must be a whole number from 0, got 1.5'],
    [{ unhealthy: { errorRate: 5 } }, 'health: unhealthy.errorRate must be a share from 0 to 1, got 5'],
    [{ degraded: { p99Ms: -1 } }, 'health: degraded.p99Ms must be a number from 0, got -1'],
  ])('refuses %j, saying what came', (options, message) => {
    expect(() => setUp(options)).toThrow(new RangeError(message))
  })
})

/** Percentiles to the bin of the histogram, so that they can be compared with exact ones. */
function excerpt({ calls, errorRate, timeoutRate, p50Ms }: HealthSnapshot) {
  return { calls, errorRate, timeoutRate, p50Bin: p50Ms && Math.ceil(Math.log2(p50Ms) * 8) }
}

function plainly(samples: readonly { outcome: string; latencyMs: number }[]) {
  const judged = samples.filter(({ outcome }) => outcome !== 'ignored' && outcome !== 'rate-limited')
  const rateOf = (...bad: string[]) =>
    judged.filter(({ outcome }) => bad.includes(outcome)).length / Math.max(1, judged.length)
  const times = judged.filter(({ outcome }) => outcome !== 'failure').map(({ latencyMs }) => latencyMs)
  const p50Ms = times.toSorted((one, other) => one - other)[Math.ceil(times.length / 2) - 1]
  return {
    calls: judged.length,
    errorRate: rateOf('failure', 'timeout'),
    timeoutRate: rateOf('timeout'),
    p50Bin: p50Ms && Math.ceil(Math.log2(p50Ms) * 8),
  }
}
