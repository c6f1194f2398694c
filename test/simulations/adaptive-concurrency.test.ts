import type { CommonModelOptions } from '@signalbox/core'
import { describe, expect, it } from 'vitest'
import { type Simulation, simulate } from './simulation.ts'

/** Calls that the upstream works on at one time as fast as a single one; more of them share its pace. */
const capacity = 5
const paceMs = 1_000

/** One model that gets slower the more it has to do at once. */
function sharedPace(
  limits: CommonModelOptions['limits'],
  fault?: { readonly fromMs: number; readonly untilMs: number },
): Simulation {
  const simulation: Simulation = simulate({
    models: {
      a: {
        latencyMs: () => paceMs * Math.max(1, simulation.upstreams['a']!.inFlight / capacity),
        ...(fault && { outages: [{ ...fault, fault: { status: 503 } }] }),
        options: { limits, breaker: false, health: false },
      },
    },
    queue: { maximumWaiting: 20 },
    retry: { maxAttempts: 1 },
  })
  return simulation
}

const limitNow = ({ router }: Simulation) =>
  router.status().models[0]!.limits.find(({ kind }) => kind === 'concurrency')!.limit

const perSecond = (1_000 * capacity) / paceMs

describe('adaptive concurrency', { timeout: 30_000 }, () => {
  it('keeps a model that is offered twice what it bears at work and out of the mire, for as long as it takes', async () => {
    const load = { perSecond: 2 * perSecond, seconds: 600 }
    const adaptive = sharedPace({ adaptiveConcurrency: true })
    await adaptive.offer(load)
    const left = sharedPace({})
    await left.offer({ ...load, seconds: 100 })

    const answered = adaptive.calls.filter(({ model, sentMs }) => model && sentMs > 60_000)
    const slowest = Math.max(...answered.map(({ sentMs, endedMs }) => endedMs! - sentMs))
    expect(answered.length).toBeGreaterThan(0.95 * perSecond * (load.seconds - 60))
    expect(slowest).toBeLessThan(10 * paceMs)
    expect(adaptive.upstreams['a']!.mostInFlight).toBeLessThan(5 * capacity)
    expect(left.upstreams['a']!.mostInFlight).toBeGreaterThan(50 * capacity)
  })

  it('refuses what it has no room for with the limit that it found', async () => {
    const simulation = sharedPace({ adaptiveConcurrency: { initial: 2, maximum: 2 } })
    for (let call = 0; call < 30; call++) simulation.send()
    await simulation.clock.advance(0)
    const refused = simulation.calls.filter(({ error }) => error)
    expect(refused).toHaveLength(8)
    expect(refused[0]!.error).toMatchObject({
      code: 'rate_limit_exceeded',
      limit: { kind: 'concurrency', limit: 2 },
    })
    expect(simulation.upstreams['a']!.inFlight).toBe(2)
  })

  it('falls while a model turns calls away, and rises when it takes them again', async () => {
    const simulation = sharedPace({ adaptiveConcurrency: { initial: 20 } }, { fromMs: 50_000, untilMs: 100_000 })
    await simulation.offer({ perSecond, seconds: 100 })
    expect(limitNow(simulation)).toBe(1)
    await simulation.offer({ perSecond: 2 * perSecond, seconds: 200 })
    const late = simulation.calls.filter(({ model, endedMs }) => model && endedMs! > 200_000)
    expect(late.length).toBeGreaterThan(0.9 * perSecond * 100)
  })

  it('holds a model to its own concurrency besides', async () => {
    const simulation = sharedPace({ concurrency: 3, adaptiveConcurrency: true })
    for (let call = 0; call < 10; call++) simulation.send()
    await simulation.clock.advance(0)
    expect(simulation.upstreams['a']!.inFlight).toBe(3)
    await simulation.clock.advance(10 * paceMs)
    expect(simulation.calls.every(({ model }) => model === 'a')).toBe(true)
  })

  it('counts a stream until its end', async () => {
    const simulation = sharedPace({ adaptiveConcurrency: { initial: 2, maximum: 2 } })
    for (let call = 0; call < 3; call++) simulation.send({ body: { stream: true } })
    await simulation.clock.advance(paceMs / 2)
    expect(simulation.upstreams['a']!.inFlight).toBe(2)
    await simulation.clock.advance(5 * paceMs)
    expect(simulation.calls.every(({ model }) => model === 'a')).toBe(true)
  })

  it('is counted by each process for itself, and the status says so', () => {
    const { router } = sharedPace({ requestsPerMinute: 10, adaptiveConcurrency: { initial: 7 } })
    expect(router.status().models[0]!.limits).toMatchObject([
      { kind: 'requests', limit: 10 },
      { kind: 'concurrency', limit: 7, scope: 'process' },
    ])
    expect(JSON.parse(JSON.stringify(router.status().models[0]!.limits))).toHaveLength(2)
  })
})
