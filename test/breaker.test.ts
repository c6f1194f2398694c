import { describe, expect, it, vi } from 'vitest'
import { readBody } from '@signalbox/core'
import {
  chunk,
  completion,
  hang,
  jsonError,
  reset,
  stream,
  streamEvents,
  streamHead,
  waitFor,
} from '@signalbox/testkit'
import { begin, chat, send } from './support/caller.ts'
import { type Canned, limited, refused, yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { closedGate, eventually, listenTo, modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

const fine = completion({ content: 'ok' })
const noRetry = { retry: { maxAttempts: 1 } } as const

describeMounts('a breaker', (mount) => {
  it('opens after five failures in a row; then the answer comes at once and says when to come back', async () => {
    const upstream = await upstreamThat(jsonError(500))
    const router = routerOver([upstream], noRetry)
    const told = listenTo(router)
    const to = await mount.serve(router)
    for (let index = 0; index < 5; index++) expect((await send(to, { body: chat() })).status).toBe(500)

    const times: number[] = []
    for (let index = 0; index < 20; index++) {
      const answer = await send(to, { body: chat({ stream: index % 2 === 0 }) })
      const beforeMs = performance.now()
      await router.handle({ body: chat() }).catch(() => times.push(performance.now() - beforeMs))
      expect(answer.status).toBe(503)
      expect(answer.json()).toEqual({
        error: {
          message: expect.any(String),
          type: 'service_unavailable',
          param: null,
          code: 'all_models_unavailable',
        },
      })
      expect(Number(answer.headers['retry-after-ms'])).toBeGreaterThan(28_000)
      expect(Number(answer.headers['retry-after-ms'])).toBeLessThanOrEqual(30_000)
      expect(answer.headers['retry-after']).toMatch(/^(29|30)$/)
      expect(answer.headers['x-should-retry']).toBeUndefined()
    }
    expect(upstream.requests).toHaveLength(5)
    expect(Math.min(...times)).toBeLessThan(5)
    expect(told.filter(({ event }) => event === 'breaker.changed').map(({ payload }) => payload)).toMatchObject([
      {
        model: 'first',
        from: 'closed',
        to: 'open',
        reason: 'consecutive-failures',
        retryAfterMs: expect.any(Number),
      },
    ])
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'open', trips: 1 })
  })

  it('tells of the soonest of several', async () => {
    const upstream = await upstreamThat(jsonError(500))
    const router = routerFor({
      ...noRetry,
      models: {
        a: modelAt(upstream, { breaker: { consecutiveFailures: 1, openMs: 50_000 } }),
        b: modelAt(upstream, { breaker: { consecutiveFailures: 1, openMs: 9_000 } }),
      },
      routes: { auto: { models: ['a', 'b'] } },
    })
    const to = await mount.serve(router)
    await send(to, { body: chat() })
    const answer = await send(to, { body: chat() })
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('9')
  })

  it('counts streams that are cut, and not rate limits, bad requests and callers who leave', async () => {
    const events = streamEvents({ content: ['a', 'b'] })
    const upstream = await upstreamThat([streamHead(), chunk(events[0]!), chunk(events[1]!), reset()])
    const router = routerOver([upstream], { ...noRetry, breaker: { consecutiveFailures: 3 } })
    const to = await mount.serve(router)
    const state = () => router.status().models[0]!.breaker!.state

    upstream.respond(hang())
    for (let index = 0; index < 4; index++) {
      const caller = begin(to, { body: chat({ stream: index % 2 === 0 }) })
      await eventually(() => upstream.requests.at(-1)?.bodyComplete === true && upstream.requests.length === index + 1)
      caller.leave()
      await eventually(() => upstream.requests.at(-1)!.closedByPeerAtMs !== undefined)
    }
    upstream.respond(jsonError(400))
    for (let index = 0; index < 4; index++) await send(to, { body: chat() })
    upstream.respond(jsonError(429, { code: 'rate_limit_exceeded' }, { 'retry-after-ms': '1' }))
    for (let index = 0; index < 4; index++) await send(to, { body: chat() })
    expect(state()).toBe('closed')

    upstream.respond([streamHead(), chunk(events[0]!), chunk(events[1]!), reset()])
    for (let index = 0; index < 3; index++) await send(to, { body: chat({ stream: true }) })
    expect(state()).toBe('open')
  })

  it.each([1, 3])(
    'lets %i of 200 callers through to ask, and all others go elsewhere at once',
    { timeout: 30_000 },
    async (halfOpenProbes) => {
      const gate = closedGate()
      const first = await upstreamThat(jsonError(500))
      const second = await upstreamThat(fine)
      const breaker = { consecutiveFailures: 1, openMs: 40, halfOpenProbes }
      const router = routerOver([first, second], { ...noRetry, breaker })
      const to = await mount.serve(router)
      await send(to, { body: chat() })
      first.respond([waitFor(gate.opened), fine])
      await eventually(() => router.status().models[0]!.breaker!.state === 'half-open')
      const before = second.requests.length

      const sent = Array.from({ length: 200 }, () => send(to, { body: chat() }))
      const elsewhere = before + 200 - halfOpenProbes
      await vi.waitFor(() => expect(second.requests).toHaveLength(elsewhere), { timeout: 20_000 })
      expect(first.requests).toHaveLength(1 + halfOpenProbes)
      gate.open()
      expect((await Promise.all(sent)).every(({ status }) => status === 200)).toBe(true)
      expect(router.status().models[0]!.breaker).toMatchObject({ state: 'closed', trips: 0 })
    },
  )

  it('takes the permit back of a probe whose caller left, and stays half-open', async () => {
    const first = await upstreamThat(jsonError(500))
    const second = await upstreamThat(fine)
    const router = routerOver([first, second], { ...noRetry, breaker: { consecutiveFailures: 1, openMs: 20 } })
    const to = await mount.serve(router)
    const circuit = () => router.status().models[0]!.breaker!
    await send(to, { body: chat() })
    first.respond(hang())
    for (const streamed of [true, false]) {
      await eventually(() => circuit().state === 'half-open')
      const count = first.requests.length
      const caller = begin(to, { body: chat({ stream: streamed }) })
      await eventually(() => first.requests.length === count + 1 && first.requests[count]!.bodyComplete)
      expect(circuit().probes).toBe(1)
      caller.leave()
      await eventually(() => circuit().probes === 0)
      expect(circuit().state).toBe('half-open')
    }
    first.respond(stream(streamEvents({ content: ['ok'] })))
    expect((await send(to, { body: chat({ stream: true }) })).headers['x-signalbox-model']).toBe('first')
    expect(circuit().state).toBe('closed')
  })
})

describe('a breaker, as time goes', () => {
  const broken: Canned = refused(500)
  const clocked = (options: Partial<Parameters<typeof yard>[0]> = {}) =>
    yard({ models: { a: { answers: broken } }, ...noRetry, ...options })

  it('opens on a share of failures in its window', async () => {
    const { clock, call, router } = clocked({
      models: { a: { answers: (_heard, index) => (index % 2 ? broken : {}) } },
    })
    for (let index = 0; index < 19; index++) {
      call()
      await clock.advance(100)
    }
    expect(router.status().models[0]!.breaker!.state).toBe('closed')
    call()
    await clock.advance(1)
    expect(router.status().models[0]!.breaker!.state).toBe('open')
  })

  it('opens for longer with each trip, whatever the wall clock does, and closes with the first success', async () => {
    const { clock, call, router, upstreams } = clocked()
    const told = listenTo(router)
    for (let index = 0; index < 5; index++) call()
    await clock.advance(1)
    clock.jumpWallTime(3_600_000)
    for (const openMs of [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
      const before = upstreams['a']!.requests.length
      await clock.advance(openMs - 10)
      const refusedNow = call()
      await clock.settle()
      expect(refusedNow.error).toMatchObject({ code: 'all_models_unavailable' })
      expect(upstreams['a']!.requests).toHaveLength(before)
      await clock.advance(10)
      call()
      await clock.settle()
      expect(upstreams['a']!.requests).toHaveLength(before + 1)
      clock.jumpWallTime(-3_600_000)
    }
    upstreams['a']!.respond({})
    await clock.advance(300_000)
    const back = call()
    await clock.settle()
    expect(back.state).toBe('fulfilled')
    expect(router.status().models[0]!.breaker!.state).toBe('closed')
    const changes = told.filter(({ event }) => event === 'breaker.changed').map(({ payload }) => payload.to)
    expect(changes.slice(-2)).toEqual(['half-open', 'closed'])
  })

  it('gives a probe its permit back that never ends, at the latest with the call', async () => {
    const { clock, call, router, upstreams } = clocked({
      breaker: { consecutiveFailures: 1, openMs: 1_000 },
      timeouts: { callMs: 10_000 },
    })
    call()
    await clock.advance(1_000)
    upstreams['a']!.respond({ afterMs: Infinity })
    call()
    await clock.advance(5_000)
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'half-open', probes: 1 })
    const other = call()
    await clock.settle()
    expect(other.error).toMatchObject({ code: 'all_models_unavailable' })
    await clock.advance(6_000)
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'half-open', probes: 0 })
  })

  it.each([
    { level: 'the top', options: { breaker: false } },
    { level: 'a route', options: { routes: { auto: { models: ['a'], breaker: false } } } },
    { level: 'a model', options: { models: { a: { answers: broken, breaker: false } } } },
  ] as const)('is switched off at $level', async ({ options }) => {
    const { clock, call, upstreams } = clocked(options)
    for (let index = 0; index < 12; index++) call()
    await clock.advance(1)
    expect(upstreams['a']!.requests).toHaveLength(12)
  })

  it('is switched on again at a model, key by key', async () => {
    const { clock, call, upstreams } = clocked({
      models: { a: { answers: broken, breaker: { consecutiveFailures: 2 } } },
      breaker: false,
    })
    for (let index = 0; index < 12; index++) {
      call()
      await clock.advance(1)
    }
    expect(upstreams['a']!.requests).toHaveLength(2)
  })

  it('counts timeouts', async () => {
    const { clock, call, router } = clocked({
      models: { a: { answers: { afterMs: Infinity }, timeouts: { answerMs: 100 } } },
    })
    for (let index = 0; index < 5; index++) call()
    await clock.advance(101)
    expect(router.status().models[0]!.breaker!.state).toBe('open')
    expect(router.status().models[0]!.health).toMatchObject({ calls: 5, timeoutRate: 1 })
  })

  // At 131,000.3 ms the sum of both times is rounded, and less than the call's own time later than the beginning.
  it.each([0, 131_000.3])(
    'counts silence until the end of the call, where that comes before the time of the model, from %d ms',
    async (from) => {
      const { clock, call, router } = yard({
        models: { a: { answers: { afterMs: Infinity } }, late: { answers: { afterMs: Infinity } } },
        routes: { auto: { models: ['a', 'late'], timeouts: { answerMs: 100_000 } } },
        timeouts: { callMs: 120_000 },
      })
      await clock.advance(from)
      for (let index = 0; index < 5; index++) call({ model: index < 4 ? 'a' : 'auto' })
      await clock.advance(120_001)
      expect(router.status().models).toMatchObject([
        { name: 'a', breaker: { state: 'open' }, health: { calls: 5, timeoutRate: 1 } },
        { name: 'late', breaker: { consecutiveFailures: 0 }, health: { calls: 0 } },
      ])
    },
  )

  it('is left alone by callers in a hurry, before an answer and in the middle of it', async () => {
    const events = streamEvents({ content: ['a', 'b', 'c', 'd'] })
    const { clock, call, router } = yard({
      models: { a: { answers: { events, everyMs: 400, afterMs: 1_000 } } },
      routes: { auto: { strategy: 'least-latency', models: ['a'] } },
    })
    for (const timeoutMs of [900, 2_000]) {
      const hurried = Array.from({ length: 6 }, () => call({ stream: true }, { timeoutMs }))
      await clock.advance(1_600)
      for (const { value } of hurried) void (value && readBody(value))
      await clock.advance(5_000)
    }
    expect(router.status().models[0]).toMatchObject({
      breaker: { state: 'closed', consecutiveFailures: 0 },
      health: { calls: 0 },
    })
  })

  it('is left alone by rate limits, however many', async () => {
    const { clock, call, router } = clocked({ models: { a: { answers: limited({ 'retry-after-ms': '1' }) } } })
    for (let index = 0; index < 50; index++) {
      call()
      await clock.advance(10)
    }
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'closed', calls: 0 })
  })

  it('costs a provider that is back one probe interval at the most', async () => {
    const { clock, call, router, upstreams } = clocked({ breaker: { openMs: 30_000, maxOpenMs: 30_000 } })
    for (let index = 0; index < 600; index++) {
      for (let each = 0; each < 5; each++) call()
      await clock.advance(1_000)
    }
    expect(upstreams['a']!.requests.length).toBeLessThan(600)
    upstreams['a']!.respond({})
    await clock.advance(30_000)
    const back = call()
    await clock.settle()
    expect(back.state).toBe('fulfilled')
    expect(router.status().models[0]!.breaker!.state).toBe('closed')
  })
})
