import { describe, expect, it, vi } from 'vitest'
import { all, simulate } from './simulation.ts'

vi.setConfig({ testTimeout: 60_000 })

const quick = { latencyMs: { p50: 300, p99: 600 } }

/** Ill in one way for a minute: what its state is then, and how calls are shared between it and the model behind it. */
async function illFor(failing: (random: number) => 'slow' | 'failed' | 'silent' | undefined) {
  let slow = false
  const simulation = simulate({
    models: { a: { latencyMs: () => (slow ? 4_000 : 300) }, b: quick },
    breaker: false,
    retry: false,
    timeouts: { answerMs: 5_000 },
  })
  const { upstreams, router, send, clock } = simulation
  const upstream = upstreams['a']!
  for (let call = 0; call < 400; call++) {
    const how = failing((call % 100) / 100)
    slow = how === 'slow'
    if (how === 'failed') upstream.fail({ status: 500 })
    if (how === 'silent') upstream.fail('hang')
    send({ body: { model: 'a' } })
    await clock.advance(100)
    upstream.heal()
  }
  await clock.advance(6_000)
  const state = () => router.status().models[0]!.health!.state
  return { ...simulation, state }
}

describe.each([
  ['slower than 3 s in 2 calls of 100', (at: number) => (at < 0.02 ? 'slow' : undefined), 'unhealthy'],
  ['wrong in 6 calls of 100', (at: number) => (at < 0.06 ? 'failed' : undefined), 'unhealthy'],
  ['silent in 4 calls of 100', (at: number) => (at < 0.04 ? 'silent' : undefined), 'unhealthy'],
  ['wrong in 3 calls of 100', (at: number) => (at < 0.03 ? 'failed' : undefined), 'degraded'],
  ['wrong in 1 call of 100', (at: number) => (at < 0.01 ? 'failed' : undefined), 'healthy'],
] as const)('a model that is %s', (_, failing, expected) => {
  it(`is ${expected}, and stands where such a model does`, async () => {
    const { state, send, clock } = await illFor(failing)
    expect(state()).toBe(expected)
    const call = send()
    await clock.advance(6_000)
    expect(call.model).toBe(expected === 'healthy' ? 'a' : 'b')
  })
})

it('is healthy again as the bad minutes leave the window', async () => {
  const { state, send, clock } = await illFor((at) => (at < 0.1 ? 'failed' : undefined))
  expect(state()).toBe('unhealthy')
  await clock.advance(240_000)
  expect(state()).toBe('unhealthy')
  await clock.advance(60_000)
  expect(state()).toBe('healthy')
  const call = send()
  await clock.advance(1_000)
  expect(call.model).toBe('a')
})

it('tries the last model of a chain although it looks bad, and tells of it', async () => {
  const { clock, upstreams, told, send, offer } = simulate({
    models: { a: quick, b: quick },
    breaker: false,
    retry: false,
  })
  for (const upstream of Object.values(upstreams)) upstream.fail({ status: 500 })
  await offer({ perSecond: 5, seconds: 10 })
  expect(told('last.resort').at(-1)).toMatchObject({ route: all, model: 'a', health: 'unhealthy' })
  upstreams['b']!.heal()
  const call = send()
  await clock.advance(2_000)
  expect(call.model).toBe('b')
})

it('says nothing of a last resort while one model looks well', async () => {
  const { upstreams, told, offer } = simulate({ models: { a: quick, b: quick }, breaker: false, retry: false })
  upstreams['a']!.fail({ status: 500 })
  await offer({ perSecond: 5, seconds: 30 })
  expect(told('last.resort')).toEqual([])
})

describe('active probes', () => {
  const probed = (models: Parameters<typeof simulate>[0]['models']) =>
    simulate({ models, health: { probe: { intervalMs: 1_000 }, minimumCalls: 10, windowMs: 60_000 }, breaker: false })

  it('find a model that is down before any call does, and find it well again', async () => {
    const { clock, upstreams, router, calls, send } = probed({ a: quick, b: quick })
    const state = () => router.status().models[0]!.health!.state
    upstreams['a']!.fail({ status: 500 })
    await clock.advance(15_000)
    expect(state()).toBe('unhealthy')
    const during = send()
    await clock.advance(1_000)
    expect(during.model).toBe('b')
    expect(upstreams['a']!.counts.requests).toBe(0)
    upstreams['a']!.heal()
    await clock.advance(65_000)
    expect(state()).toBe('healthy')
    const afterwards = send()
    await clock.advance(1_000)
    expect(afterwards.model).toBe('a')
    expect(calls).toHaveLength(2)
    await router.close()
  })

  it('are questions, never calls: no attempt, no event, no limit that they use up', async () => {
    const { clock, upstreams, router, told, send } = simulate({
      models: { a: { ...quick, options: { limits: { requestsPerMinute: 1 } } } },
      health: { probe: { intervalMs: 1_000 } },
    })
    const heard: string[] = []
    for (const event of ['call.started', 'attempt.started'] as const) router.on(event, () => heard.push(event))
    await clock.advance(30_000)
    expect(upstreams['a']!.counts).toMatchObject({ questions: 29, requests: 0 })
    expect(heard).toEqual([])
    expect(told('failover')).toEqual([])
    const call = send()
    await clock.advance(1_000)
    expect(call.model).toBe('a')
    await router.close()
    expect(clock.pendingTimers()).toBe(0)
  })

  it('count one that is not answered in time against the model', async () => {
    const { clock, upstreams, router } = probed({ a: quick })
    upstreams['a']!.fail('hang')
    await clock.advance(120_000)
    expect(router.status().models[0]!.health).toMatchObject({ timeoutRate: 1, state: 'unhealthy' })
    await router.close()
  })
})
