import { describe, expect, it, vi } from 'vitest'
import { endureOutage } from './outage.ts'
import { all, simulate } from './simulation.ts'

vi.setConfig({ testTimeout: 60_000 })

const aMinuteDown = { perSecond: 20, seconds: 60 }

describe.each([
  ['a single model', ['a']],
  ['a chain of three', ['a', 'b', 'c']],
])('a total outage of %s', (_, models) => {
  it.each([
    ['cold', 0],
    ['after a warm-up', 30],
  ])('costs each upstream 1.1 requests a call at the most without breakers, %s', async (_when, warmUpSeconds) => {
    const result = await endureOutage({ ...aMinuteDown, models, warmUpSeconds, breaker: false })
    for (const requests of result.requestsPerCall) expect(requests).toBeLessThanOrEqual(1.1 + 12 / 1_200)
    for (const requests of result.requestsPerCall) expect(requests).toBeGreaterThan(1.05)
    expect(result.firstAnswerMs).toBeLessThan(3_000)
    expect(result.lastFailureMs).toBeLessThan(0)
  })

  it('costs hardly a request with breakers, and is over for callers at the next probe', async () => {
    const result = await endureOutage({ ...aMinuteDown, models, warmUpSeconds: 30, breaker: {} })
    for (const requests of result.requestsPerCall) expect(requests).toBeLessThan(0.05)
    expect(result.firstAnswerMs).toBeLessThan(result.untilProbeMs + 3_000)
    expect(result.lastFailureMs).toBeLessThan(result.untilProbeMs + 3_000)
    expect(result.untilProbeMs).toBeGreaterThan(0)
  })
})

describe.each([1, 3])('a half-open breaker with %i probes', (halfOpenProbes) => {
  const tripped = async (models: readonly string[]) => {
    const simulation = simulate({
      models: Object.fromEntries(models.map((name) => [name, {}])),
      breaker: { halfOpenProbes },
      retry: false,
    })
    const { clock, upstreams, send } = simulation
    upstreams['a']!.fail({ status: 503 })
    for (let call = 0; call < 5; call++) send({ body: { model: 'a' } })
    await clock.advance(1_000)
    upstreams['a']!.heal()
    await clock.advance(30_000)
    const { requests } = upstreams['a']!.counts
    return { ...simulation, probes: () => upstreams['a']!.counts.requests - requests }
  }

  it('lets exactly that many of 200 callers through and refuses the others at once', async () => {
    const { clock, calls, probes, send } = await tripped(['a'])
    const callers = Array.from({ length: 200 }, () => send())
    await clock.advance(0)
    expect(probes()).toBe(halfOpenProbes)
    const refused = callers.filter(({ error }) => error?.code === 'all_models_unavailable')
    expect(refused).toHaveLength(200 - halfOpenProbes)
    for (const { error, sentMs, endedMs } of refused) {
      expect(endedMs).toBe(sentMs)
      expect(error!.retryAfterMs).toBeGreaterThan(0)
    }
    await clock.advance(10_000)
    expect(calls.filter(({ model }) => model === 'a')).toHaveLength(halfOpenProbes)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('sends the others on to the next model at once', async () => {
    const { clock, calls, upstreams, probes, send } = await tripped(['a', 'b'])
    for (let caller = 0; caller < 200; caller++) send()
    await clock.advance(0)
    expect(probes()).toBe(halfOpenProbes)
    expect(upstreams['b']!.counts.requests).toBe(200 - halfOpenProbes)
    await clock.advance(10_000)
    expect(calls.slice(5).every(({ error }) => error === undefined)).toBe(true)
  })

  it('takes a permit back from a probe whose caller leaves', async () => {
    const { clock, router, probes, send } = await tripped(['a'])
    const leaving = new AbortController()
    const left = Array.from({ length: halfOpenProbes }, () => send({ signal: leaving.signal }))
    await clock.advance(10)
    leaving.abort()
    await clock.advance(0)
    expect(left.every(({ error }) => error?.code === 'cancelled')).toBe(true)
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'half-open', probes: 0 })
    const next = Array.from({ length: 200 }, () => send())
    await clock.advance(10_000)
    expect(probes()).toBe(2 * halfOpenProbes)
    expect(next.filter(({ model }) => model === 'a')).toHaveLength(halfOpenProbes)
    expect(router.status().models[0]!.breaker!.state).toBe('closed')
  })

  it('takes a permit back from a probe that runs into its deadline', async () => {
    const { clock, router, upstreams, probes, send } = await tripped(['a'])
    upstreams['a']!.fail('hang')
    for (let caller = 0; caller < halfOpenProbes; caller++) send({ timeoutMs: 2_000 })
    await clock.advance(2_000)
    upstreams['a']!.heal()
    const next = send({ body: { model: all } })
    await clock.advance(10_000)
    expect(probes()).toBe(halfOpenProbes + 1)
    expect(next.model).toBe('a')
    expect(router.status().models[0]!.breaker!.state).toBe('closed')
  })
})
