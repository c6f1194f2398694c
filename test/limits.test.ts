import { expect, it } from 'vitest'
import type { Identity, RouterOptions } from '@signalbox/core'
import { completion, hang, seededRandom, stream, streamEvents, streamHead, chunk, waitFor } from '@signalbox/testkit'
import { type Answer, begin, chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { closedGate, eventually, listenTo, modelAt, routerFor, upstreamThat } from './support/routers.ts'

const fine = completion({ content: 'ok' })
const many = Array.from({ length: 5 })

/** An answer that says which limit is reached, in the way of those that clients know. */
function expectLimited(answer: Answer, type: 'requests' | 'tokens', limit: number): void {
  expect(answer.status).toBe(429)
  expect(answer.json()).toEqual({
    error: { message: expect.any(String), type, param: null, code: 'rate_limit_exceeded' },
  })
  expect(answer.headers['x-should-retry']).toBeUndefined()
  const afterMs = Number(answer.headers['retry-after-ms'])
  expect(afterMs).toBeGreaterThan(0)
  expect(afterMs).toBeLessThanOrEqual(60_000)
  expect(answer.headers['retry-after']).toBe(String(Math.ceil(afterMs / 1_000)))
  expect(answer.headers[`x-ratelimit-limit-${type}`]).toBe(String(limit))
  expect(Number(answer.headers[`x-ratelimit-remaining-${type}`])).toBeLessThan(limit)
  expect(answer.headers[`x-ratelimit-reset-${type}`]).toMatch(/^\d+ms$/)
}

describeMounts('a limit', (mount) => {
  const hurried = { headers: { 'x-request-timeout': '0.05' } }

  it('of a model sends the call to the next candidate, plain or streamed', async () => {
    const upstream = await upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream ? stream(streamEvents({ content: ['ok'] })) : fine,
    )
    const router = routerFor({
      models: { a: modelAt(upstream, { limits: { requestsPerMinute: 1 } }), b: modelAt(upstream) },
      routes: { auto: { models: ['a', 'b'] } },
    })
    const told = listenTo(router)
    const to = await mount.serve(router)
    const models = []
    for (const streamed of [false, false, true])
      models.push((await send(to, { body: chat({ stream: streamed }) })).headers['x-signalbox-model'])
    expect(models).toEqual(['a', 'b', 'b'])
    expect(told.filter(({ event }) => event === 'failover').map(({ payload }) => payload.reason)).toEqual([
      'rate_limit_exceeded',
      'rate_limit_exceeded',
    ])
  })

  it('of requests refuses with all that a client needs, after waiting as long as the call could', async () => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({ models: { auto: modelAt(upstream, { limits: { requestsPerMinute: 1 } }) } })
    const to = await mount.serve(router)
    await send(to, { body: chat() })
    const beforeMs = performance.now()
    expectLimited(await send(to, { body: chat(), ...hurried }), 'requests', 1)
    expect(performance.now() - beforeMs).toBeGreaterThanOrEqual(49)
    expect(upstream.requests).toHaveLength(1)
  })

  it('of tokens counts what was used, and refuses in the same way', async () => {
    const upstream = await upstreamThat(
      completion({ content: 'ok', usage: { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 } }),
    )
    const router = routerFor({ models: { auto: modelAt(upstream, { limits: { tokensPerMinute: 1_000 } }) } })
    const to = await mount.serve(router)
    expect((await send(to, { body: chat({ max_tokens: 50 }) })).status).toBe(200)
    expectLimited(await send(to, { body: chat({ max_tokens: 50 }), ...hurried }), 'tokens', 1_000)
  })

  it.each<{ what: string; options: Partial<RouterOptions> }>([
    { what: 'a route', options: { routes: { auto: { models: ['a', 'b'], limits: { requestsPerMinute: 2 } } } } },
    {
      what: 'a tier that two models share',
      options: { tiers: { gold: { requestsPerMinute: 2 } }, routes: { auto: { models: ['a', 'b'] } } },
    },
    {
      what: 'everybody',
      options: { limits: [{ per: 'all', requestsPerMinute: 2 }], routes: { auto: { models: ['a', 'b'] } } },
    },
  ])('of $what counts whichever model is taken', async ({ options }) => {
    const upstream = await upstreamThat(fine)
    const tier = 'tiers' in options ? { limits: { tier: 'gold' } } : {}
    const router = routerFor({
      models: { a: modelAt(upstream, tier), b: modelAt(upstream, tier) },
      ...options,
    })
    const to = await mount.serve(router)
    for (let index = 0; index < 2; index++) expect((await send(to, { body: chat() })).status).toBe(200)
    expectLimited(await send(to, { body: chat(), ...hurried }), 'requests', 2)
    expect(upstream.requests).toHaveLength(2)
  })

  it.each<{ per: 'user' | 'key' | 'team' | 'tag'; one: Identity; same: Identity; other: Identity }>([
    { per: 'user', one: { user: 'u1', team: 't' }, same: { user: 'u1' }, other: { user: 'u2', team: 't' } },
    { per: 'key', one: { key: 'k1' }, same: { key: 'k1', user: 'x' }, other: { key: 'k2' } },
    { per: 'team', one: { team: 't1', user: 'a' }, same: { team: 't1', user: 'b' }, other: { team: 't2', user: 'a' } },
    { per: 'tag', one: { tags: ['x', 'y'] }, same: { tags: ['y'] }, other: { tags: ['z'] } },
    { per: 'user', one: {}, same: { team: 't9' }, other: { user: 'anonymous' } },
    { per: 'tag', one: { tags: [] }, same: {}, other: { tags: ['anonymous'] } },
  ])('per $per counts $one and $same together, and $other apart', async ({ per, one, same, other }) => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({ models: { auto: modelAt(upstream) }, limits: [{ per, requestsPerMinute: 1 }] })
    const to = await mount.serve(router, { identify: (req) => JSON.parse(String(req.headers['x-who'])) as Identity })
    const as = (identity: Identity) => send(to, { body: chat(), headers: { 'x-who': JSON.stringify(identity) } })
    expect((await as(one)).status).toBe(200)
    expectLimited(await as(same), 'requests', 1)
    expect((await as(other)).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
  })

  it('holds on calls at the same time, and on those that share an id of their own choice', async () => {
    const gate = closedGate()
    const upstream = await upstreamThat([waitFor(gate.opened), fine])
    const router = routerFor({
      models: { auto: modelAt(upstream, { limits: { requestsPerMinute: 3 } }) },
      limits: [{ per: 'all', requestsPerMinute: 3 }],
    })
    const to = await mount.serve(router)
    const sent = many.map(() => send(to, { body: chat(), headers: { 'x-request-id': 'mine' } }))
    await eventually(() => upstream.requests.length === 3)
    gate.open()
    const answers = await Promise.all(sent)
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 429, 429])
    expect(answers.every(({ headers }) => headers['x-request-id'] === 'mine')).toBe(true)
    expect(upstream.requests).toHaveLength(3)
  })

  it('that a request can never fit is told at once', async () => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({ models: { auto: modelAt(upstream, { limits: { tokensPerMinute: 100 } }) } })
    const answer = await send(await mount.serve(router), { body: chat({ max_tokens: 1_000 }) })
    expect(answer.status).toBe(400)
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'limit_exceeded' })
    expect(upstream.requests).toHaveLength(0)
  })

  it('of concurrency lets the next in as soon as one is over, in turn', async () => {
    const gate = closedGate()
    const upstream = await upstreamThat([waitFor(gate.opened), fine])
    const router = routerFor({ models: { auto: modelAt(upstream, { limits: { concurrency: 2 } }) } })
    const to = await mount.serve(router)
    const sent = many.map(() => send(to, { body: chat() }))
    await eventually(() => Object.values(router.status().queue)[0] === 3)
    expect(upstream.requests).toHaveLength(2)
    gate.open()
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(many.map(() => 200))
    expect(router.status().queue).toEqual({})
  })

  it('of concurrency is free again after 200 callers who left at any point', { timeout: 30_000 }, async () => {
    const random = seededRandom(9)
    const events = streamEvents({ content: ['a', 'b', 'c'] })
    const upstream = await upstreamThat(() => {
      const draw = random()
      if (draw < 0.25) return hang()
      if (draw < 0.5) return [streamHead(), chunk(events[0]!), hang()]
      if (draw < 0.8) return [streamHead(), ...events.slice(0, 3).map(chunk), hang()]
      return stream(events)
    })
    const router = routerFor({
      models: { a: modelAt(upstream, { limits: { concurrency: 10 } }) },
      routes: { auto: { models: ['a'], limits: { concurrency: 20 } } },
      limits: [{ per: 'user', concurrency: 100 }],
      // A plain call that is answered by a stream has failed, and enough of them would open it.
      breaker: false,
    })
    const to = await mount.serve(router)
    const leave = async () => {
      const caller = begin(to, { body: chat({ stream: random() < 0.8 }) })
      const [early, pause] = [random() < 0.5, random() * 10]
      const answered = caller.answered.then(
        (answer) => answer,
        () => undefined,
      )
      if (!early) await Promise.race([answered, pausing(20)])
      await pausing(pause)
      caller.leave()
      await answered.then((answer) => answer?.leave())
    }
    for (let batch = 0; batch < 20; batch++) await Promise.all(Array.from({ length: 10 }, leave))
    const gate = closedGate()
    upstream.respond([waitFor(gate.opened), fine])
    const before = upstream.requests.length
    const full = Array.from({ length: 10 }, () => send(to, { body: chat() }))
    const open = () => upstream.requests.slice(before).filter(({ closedByPeerAtMs }) => closedByPeerAtMs === undefined)
    await eventually(() => open().length === 10)
    expect(router.status().queue).toEqual({})
    gate.open()
    expect((await Promise.all(full)).every(({ status }) => status === 200)).toBe(true)
  })
})

const pausing = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs))

describeMounts('a cap', (mount) => {
  const caps = { maxChoices: 4, maxOutputTokens: 1_000, maxInputTokens: 200 }

  it.each<{ what: string; extra: object; param: string }>([
    { what: 'n: 10,000', extra: { n: 10_000 }, param: 'n' },
    { what: 'n: 2^31', extra: { n: 2 ** 31 }, param: 'n' },
    { what: 'n as text', extra: { n: '10000' }, param: 'n' },
    { what: 'max_tokens: 2^31', extra: { max_tokens: 2 ** 31 }, param: 'max_tokens' },
    { what: 'max_completion_tokens over it', extra: { max_completion_tokens: 1_001 }, param: 'max_tokens' },
    {
      what: 'max_tokens beside a small max_completion_tokens',
      extra: { max_completion_tokens: 1, max_tokens: 5_000 },
      param: 'max_tokens',
    },
    { what: 'max_tokens: -1, which some servers take for endless', extra: { max_tokens: -1 }, param: 'max_tokens' },
    {
      what: 'a long input in the arguments of a tool',
      extra: { messages: [{ role: 'assistant', tool_calls: [{ function: { arguments: 'word '.repeat(500) } }] }] },
      param: 'messages',
    },
    { what: 'a long input', extra: { messages: [{ role: 'user', content: 'word '.repeat(500) }] }, param: 'messages' },
  ])('refuses $what', async ({ extra, param }) => {
    const upstream = await upstreamThat(fine)
    for (const options of [
      { limits: [{ per: 'all' as const, ...caps }] },
      { routes: { auto: { models: ['a'], limits: caps } } },
    ]) {
      const router = routerFor({ models: { a: modelAt(upstream) }, routes: { auto: { models: ['a'] } }, ...options })
      const answer = await send(await mount.serve(router), { body: chat(extra) })
      expect(answer.status).toBe(400)
      expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'limit_exceeded', param })
    }
    expect(upstream.requests).toHaveLength(0)
  })

  it('refuses a number too large to be one', async () => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({ models: { auto: modelAt(upstream) }, limits: [{ per: 'all', ...caps }] })
    const body = JSON.stringify(chat()).replace('{', '{"max_tokens":1e400,')
    const answer = await send(await mount.serve(router), { body })
    expect(answer.status).toBe(400)
    expect(answer.json().error.code).toBe('limit_exceeded')
  })

  it.each([
    { n: -1 },
    { n: 0 },
    { n: 1.5 },
    { n: 'x' },
    { n: null },
    { n: [3] },
    { max_tokens: 0.5 },
    { max_tokens: 'NaN' },
    { max_tokens: {} },
    { max_tokens: null },
    { n: 3, max_tokens: 2.5 },
  ])('lets the provider judge %o, and no limit stumbles over it', async (extra) => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({
      models: { a: modelAt(upstream, { limits: { tokensPerMinute: 100_000 }, contextWindow: 50_000 }) },
      routes: { auto: { models: ['a'], limits: { tokensPerMinute: 100_000 } } },
      limits: [{ per: 'user', tokensPerMinute: 100_000 }],
    })
    const answer = await send(await mount.serve(router), { body: chat(extra) })
    expect(answer.status).toBe(200)
    expect(JSON.parse(upstream.requests[0]!.body.toString())).toMatchObject(extra)
  })

  it('reckons with nonsense at its largest, not its smallest', async () => {
    const upstream = await upstreamThat(fine)
    const router = routerFor({ models: { auto: modelAt(upstream, { limits: { tokensPerMinute: 100_000 } }) } })
    const to = await mount.serve(router)
    for (const extra of [{ max_tokens: 2 ** 31 }, { n: 1e300, max_tokens: 10 }, { n: 2 ** 53, max_tokens: 2 ** 53 }]) {
      const answer = await send(to, { body: chat(extra) })
      expect(answer.status).toBe(400)
      expect(answer.json().error.code).toBe('limit_exceeded')
    }
    expect(upstream.requests).toHaveLength(0)
  })
})
