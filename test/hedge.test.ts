import { describe, expect, it } from 'vitest'
import { hedge } from '@signalbox/core'
import { completion, hang, stream, streamEvents } from '@signalbox/testkit'
import { chat, contentOf, send } from './support/caller.ts'
import { limited, refused, turns, yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, listenTo, modelAt, routerFor, upstreamThat } from './support/routers.ts'

const always = { budget: 1 }
const events = streamEvents({ content: ['a', 'b'] })

describeMounts('a hedge', (mount) => {
  it.each([
    { streamed: false, said: (text: string) => JSON.parse(text).choices[0].message.content },
    { streamed: true, said: contentOf },
  ])(
    'answers by the second model when the first is late, and lets the first go (stream: $streamed)',
    async ({ streamed, said }) => {
      const slow = await upstreamThat(hang())
      const quick = await upstreamThat(streamed ? stream(events) : completion({ content: 'ab' }))
      const router = routerFor({
        models: { slow: modelAt(slow), quick: modelAt(quick) },
        routes: { auto: { models: ['slow', 'quick'] } },
        plugins: [hedge({ afterMs: 30, ...always })],
      })
      const told = listenTo(router)
      const answer = await send(await mount.serve(router), { body: chat({ stream: streamed }) })

      expect(answer.headers['x-signalbox-model']).toBe('quick')
      expect(said(answer.text)).toBe('ab')
      await eventually(() => slow.requests[0]!.closedByPeerAtMs !== undefined)
      await eventually(() => told.filter(({ event }) => event === 'attempt.ended').length === 2)
      const record = told.find(({ event }) => event === 'call.ended')!.payload.record
      expect(record.attempts).toMatchObject([
        { model: 'slow', outcome: 'cancelled' },
        { model: 'quick', outcome: 'ok' },
      ])
      expect(router.status().models.map(({ breaker }) => breaker!.failures)).toEqual([0, 0])
    },
  )
})

const both = (slow: object, quick: object, options: object = {}) =>
  yard({
    models: { slow: { answers: slow }, quick: { answers: quick } },
    plugins: [hedge({ afterMs: 100, ...always })],
    retry: false,
    ...options,
  })

describe('a hedge, as time goes', () => {
  it('starts nothing when the first is in time', async () => {
    const { clock, call, upstreams } = both({ afterMs: 99 }, {})
    const followed = call()
    await clock.advance(10_000)
    expect(followed).toMatchObject({ value: { model: 'slow' }, atMs: 99 })
    expect(upstreams['quick']!.requests).toHaveLength(0)
  })

  it('takes the first when that commits after all, and cancels the second', async () => {
    const { clock, call, upstreams } = both({ afterMs: 150 }, { afterMs: 500 })
    const followed = call()
    await clock.advance(200)
    expect(followed).toMatchObject({ value: { model: 'slow' }, atMs: 150 })
    expect(upstreams['quick']!.requests).toMatchObject([{ atMs: 100, abortedAtMs: 150 }])
  })

  it('is decided by content: headers and a role commit nothing', async () => {
    const { clock, call, upstreams } = both({ events: events.slice(0, 1), ending: 'hang' }, { events, afterMs: 50 })
    const followed = call({ stream: true })
    await clock.advance(151)
    expect(followed.value).toMatchObject({ model: 'quick' })
    expect(upstreams['slow']!.requests[0]!.abortedAtMs).toBe(150)
    followed.value!.cancel()
  })

  it('goes on at once when the first fails before the timer', async () => {
    const { clock, call, upstreams, router } = both(refused(500), {})
    const told = listenTo(router)
    const followed = call()
    await clock.advance(1)
    expect(followed).toMatchObject({ value: { model: 'quick' }, atMs: 0 })
    expect(upstreams['quick']!.requests).toHaveLength(1)
    expect(told.filter(({ event }) => event === 'failover')).toMatchObject([
      { payload: { from: 'slow', to: 'quick', reason: 'upstream_error' } },
    ])
  })

  it('tries the rest in turn when both fail', async () => {
    const { clock, call } = yard({
      models: {
        a: { answers: { ...refused(500), afterMs: 300 } },
        b: { answers: { ...refused(500), afterMs: 100 } },
        c: {},
      },
      plugins: [hedge({ afterMs: 100, ...always })],
      retry: false,
    })
    const followed = call()
    await clock.advance(301)
    expect(followed).toMatchObject({ value: { model: 'c' }, atMs: 300 })
  })

  it('lets the first be asked again where the second has failed before it', async () => {
    const { clock, call, upstreams } = yard({
      models: {
        slow: { answers: turns({ ...refused(500), afterMs: 300 }, {}) },
        quick: { answers: refused(500), retry: false },
      },
      plugins: [hedge({ afterMs: 100, ...always })],
      random: () => 0.5,
    })
    const followed = call()
    await clock.advance(10_000)
    expect(followed).toMatchObject({ value: { model: 'slow' } })
    expect(upstreams['quick']!.requests).toHaveLength(1)
  })

  it('gives the first refusal of the request itself as it came, and asks nobody else', async () => {
    const { clock, call, upstreams } = both(refused(400, { message: 'no' }), {})
    const followed = call()
    await clock.advance(1_000)
    expect(followed.error).toMatchObject({ code: 'upstream_rejected' })
    expect(upstreams['quick']!.requests).toHaveLength(0)
  })

  it('moves on to a larger window as any call does', async () => {
    const { clock, call } = yard({
      models: {
        small: { answers: refused(400, { code: 'context_length_exceeded' }), contextWindow: 8_000 },
        large: { contextWindow: 100_000 },
      },
      plugins: [hedge({ afterMs: 100, ...always })],
    })
    const followed = call()
    await clock.advance(1)
    expect(followed.value).toMatchObject({ model: 'large' })
  })

  it('waits for a model that was only limited when nothing else is left', async () => {
    const { clock, call } = both(limited({ 'retry-after': '5' }), refused(500))
    call()
    await clock.advance(1_000)
    const held = call()
    await clock.advance(1)
    expect(held.state).toBe('pending')
  })

  it('ends all of it with the caller', async () => {
    const { clock, call, upstreams } = both({ afterMs: Infinity }, { afterMs: Infinity })
    const caller = new AbortController()
    const followed = call({}, { signal: caller.signal })
    await clock.advance(150)
    caller.abort()
    await clock.advance(1)
    expect(followed.error).toMatchObject({ code: 'cancelled' })
    for (const { requests } of Object.values(upstreams)) expect(requests).toMatchObject([{ abortedAtMs: 150 }])
    const early = new AbortController()
    const other = call({}, { signal: early.signal })
    await clock.advance(50)
    early.abort()
    await clock.advance(1_000)
    expect(other.error).toMatchObject({ code: 'cancelled' })
    expect(upstreams['quick']!.requests).toHaveLength(1)
  })

  it('is done for its share of the calls only', async () => {
    const { clock, call, upstreams } = both({ afterMs: 1_000 }, {}, { plugins: [hedge({ afterMs: 100, budget: 0.1 })] })
    for (let index = 0; index < 200; index++) {
      call()
      await clock.advance(1_000)
    }
    expect(upstreams['quick']!.requests.length).toBeGreaterThan(10)
    expect(upstreams['quick']!.requests.length).toBeLessThanOrEqual(20)
  })

  it('by a percentile learns first what is usual, the late ones with it', async () => {
    const { clock, call, upstreams } = both(
      {},
      { afterMs: 10 },
      { plugins: [hedge({ percentile: 90, ...always })], health: false },
    )
    upstreams['slow']!.respond((_heard, index) => ({ afterMs: index % 5 === 4 ? 2_000 : 200 }))
    for (let index = 0; index < 19; index++) {
      call()
      await clock.advance(3_000)
    }
    expect(upstreams['quick']!.requests).toHaveLength(0)
    for (let index = 0; index < 400; index++) {
      call()
      await clock.advance(3_000)
    }
    expect(upstreams['quick']!.requests.length).toBeLessThan(100)
  })

  it('by a percentile goes by the first contents of streams apart from whole answers', async () => {
    const { clock, call, upstreams } = both(
      {},
      { events, afterMs: 10 },
      { plugins: [hedge({ percentile: 90, ...always })], health: false },
    )
    upstreams['slow']!.respond(({ body }) => (body.stream ? { events, afterMs: 100 } : { afterMs: 2_000 }))
    for (let index = 0; index < 40; index++) {
      call({ stream: index % 2 === 0 })
      await clock.advance(3_000)
    }
    upstreams['slow']!.respond({ events, afterMs: 1_000 })
    const askedMs = clock.now()
    const followed = call({ stream: true })
    await clock.advance(3_000)
    expect(followed).toMatchObject({ value: { model: 'quick' }, atMs: askedMs + 110 })
  })

  it('of a cascade leaves no verdict on the answer that lost', async () => {
    let accept: ((accepted: boolean) => void) | undefined
    const slowly = () => new Promise<boolean>((resolve) => (accept = resolve))
    const { clock, router } = both(
      {},
      {},
      {
        routes: { auto: { strategy: { use: 'cascade', cheap: ['slow'], strong: ['quick'], verify: slowly } } },
        plugins: [hedge({ afterMs: 30, ...always })],
      },
    )
    const { record, reply } = router.begin({ body: chat() })
    await clock.advance(100)
    expect((await reply).model).toBe('quick')
    accept!(true)
    await clock.settle()
    expect(record.cascade).toBeUndefined()
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    [{}, 'expected either afterMs or percentile'],
    [{ afterMs: 1, percentile: 90 }, 'expected either afterMs or percentile'],
    [{ afterMs: -1 }, 'afterMs'],
    [{ percentile: 10 }, 'percentile'],
    [{ afterMs: 1, budget: 2 }, 'budget'],
  ])('refuses the options %o', (options, message) => {
    expect(() => hedge(options)).toThrow(message)
  })
})
