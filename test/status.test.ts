import { expect, it, vi } from 'vitest'
import { createRouter } from '@signalbox/core'
import { completion, html, json, jsonError, redirect, refusedPort } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { yard } from './support/fake-upstream.ts'
import { describeMounts, hostAnswer } from './support/mounts.ts'
import { modelAt, providerKey, routerFor, upstreamThat } from './support/routers.ts'

const get = { method: 'GET', path: '/status' }
const secretHeader = 'tenant-3bZ9qLw7Xc2Vn8'

const boxed = async () => {
  const broken = await upstreamThat(jsonError(500, { message: `I know ${providerKey}` }))
  const fine = await upstreamThat(completion({ content: 'ok' }))
  return routerFor({
    models: {
      a: modelAt(broken, { limits: { requestsPerMinute: 100, tier: 'gold' }, headers: { 'x-tenant': secretHeader } }),
      b: modelAt(fine, { apiKey: () => providerKey }),
    },
    tiers: { gold: { tokensPerMinute: 10_000 } },
    routes: { auto: { models: ['a', 'b'], limits: { concurrency: 7 } } },
    limits: [{ per: 'user', requestsPerMinute: 60 }],
    retry: { maxAttempts: 1 },
  })
}

describeMounts('GET status', (mount) => {
  it('is not there unless the host says who may see it', async () => {
    const answer = await send(await mount.serve(await boxed()), get)
    expect(answer.status).toBe(mount.name === 'listener' ? 404 : hostAnswer.status)
  })

  it.each([
    { what: 'says no', authorise: () => false },
    { what: 'says no later', authorise: async () => false },
    { what: 'says something that is not true', authorise: () => 'yes' as never },
  ])('is forbidden where the host $what', async ({ authorise }) => {
    const answer = await send(await mount.serve(await boxed(), { authorise }), get)
    expect(answer.status).toBe(403)
    expect(answer.json().error).toMatchObject({ type: 'permission_error', code: 'forbidden' })
  })

  it('is refused where the host cannot say', async () => {
    const authorise = vi.fn<() => boolean>().mockThrow(new Error('no session store'))
    const answer = await send(await mount.serve(await boxed(), { authorise }), get)
    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('session store')
  })

  it('shows what is known of the models, the limits and the last failovers, and no secret', async () => {
    const router = await boxed()
    const to = await mount.serve(router, { authorise: (req) => req.headers['x-admin'] === 'yes' })
    for (let index = 0; index < 6; index++) await send(to, { body: chat() })
    const answer = await send(to, { ...get, headers: { 'x-admin': 'yes' } })

    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(answer.json()).toEqual({
      ready: true,
      models: [
        {
          name: 'a',
          provider: 'openai-compatible',
          domain: expect.any(String),
          health: expect.objectContaining({ calls: 5, errorRate: 1, state: 'healthy' }),
          breaker: expect.objectContaining({ state: 'open', trips: 1 }),
          readyInMs: expect.any(Number),
          weightShare: 1,
          limits: [
            { group: 'model:a', kind: 'requests', limit: 100, scope: 'process', whenStoreDown: 'share' },
            { group: 'tier:gold', kind: 'tokens', limit: 10_000, scope: 'process', whenStoreDown: 'share' },
          ],
          learnedLimits: [],
        },
        expect.objectContaining({
          name: 'b',
          health: expect.objectContaining({ calls: 6, errorRate: 0 }),
          readyInMs: 0,
          limits: [],
        }),
      ],
      limits: [
        { group: 'route:auto', kind: 'concurrency', limit: 7, scope: 'process', whenStoreDown: 'share' },
        { group: 'rule:0:user', kind: 'requests', limit: 60, scope: 'process', whenStoreDown: 'share' },
      ],
      budgets: [],
      store: { scope: 'process', up: true },
      queue: {},
      failovers: Array.from({ length: 6 }, (_, index) => ({
        callId: expect.any(String),
        route: 'auto',
        from: 'a',
        to: 'b',
        reason: index < 5 ? 'upstream_error' : 'model_unavailable',
        time: expect.any(Number),
      })),
    })
    for (const secret of [providerKey, providerKey.slice(8, 20), secretHeader])
      expect(answer.text).not.toContain(secret)
  })
})

it('the status keeps the last 200 failovers', async () => {
  const { clock, call, router } = yard({ models: { a: { answers: { status: 401 } }, b: {} } })
  for (let index = 0; index < 205; index++) {
    call({}, { id: `call-${index}` })
    await clock.settle()
  }
  const { failovers } = router.status()
  expect(failovers).toHaveLength(200)
  expect(failovers[0]!.callId).toBe('call-5')
  expect(failovers.at(-1)!.callId).toBe('call-204')
})

const models = json({ object: 'list', data: [] })

it.each([
  { what: 'a right key', script: models, verified: { ok: true } },
  {
    what: 'a wrong key',
    script: jsonError(401, { message: `Incorrect API key provided: ${providerKey}` }),
    verified: { ok: false, code: 'provider_auth_failed', message: 'The provider refused the key' },
  },
  {
    what: 'a wrong path',
    script: jsonError(404),
    verified: { ok: false, code: 'provider_model_not_found', message: expect.stringContaining('base URL') },
  },
  {
    what: 'a web site',
    script: html(200, 'Welcome'),
    verified: { ok: false, code: 'bad_upstream_response', message: expect.stringContaining('base URL') },
  },
  {
    what: 'an address that sends us elsewhere',
    script: redirect('https://elsewhere.example/'),
    verified: { ok: false, code: 'bad_upstream_response', message: expect.stringContaining('base URL') },
  },
  {
    what: 'a provider that is down',
    script: jsonError(503),
    verified: { ok: false, code: 'upstream_overloaded', message: 'The provider answered with status 503' },
  },
])('verify tells of $what', async ({ script, verified }) => {
  const upstream = await upstreamThat(script)
  const router = routerFor({
    models: { a: modelAt(upstream), b: modelAt(upstream, { model: 'other' }) },
  })
  const [one, ...others] = await router.verify()
  expect(others).toEqual([])
  expect(one).toMatchObject({ ...verified, models: ['a', 'b'] })
  expect(JSON.stringify(one)).not.toContain(providerKey)
  expect(upstream.requests).toMatchObject([{ method: 'GET', path: '/v1/models' }])
  expect(upstream.requests[0]!.headers['authorization']).toBe(`Bearer ${providerKey}`)
})

it('verify asks each domain once, and tells of one that cannot be reached and of a key that cannot be had', async () => {
  const upstream = await upstreamThat(models)
  const router = routerFor({
    models: {
      a: modelAt(upstream),
      b: modelAt({ baseUrl: `http://127.0.0.1:${await refusedPort()}/v1` }),
      c: modelAt(upstream, {
        apiKey: () => {
          throw new Error(`vault at 10.0.0.1 has no ${providerKey}`)
        },
      }),
      d: modelAt(upstream, { apiKey: 'another-key' }),
    },
  })
  const all = await router.verify()
  expect(all).toMatchObject([
    { ok: true, models: ['a'] },
    { ok: false, models: ['b'], code: 'upstream_unreachable', message: 'The provider could not be reached' },
    { ok: false, models: ['c'], code: 'provider_auth_failed', message: 'The key for the provider could not be had' },
    { ok: true, models: ['d'] },
  ])
  expect(upstream.requests).toHaveLength(2)
  expect(JSON.stringify(all)).not.toContain('10.0.0.1')
})

it('verify asks for each key also where models with several share a domain', async () => {
  const upstream = await upstreamThat(models)
  const domain = 'the-account'
  const router = routerFor({
    models: {
      a: modelAt(upstream, { domain, apiKey: 'key-1' }),
      b: modelAt(upstream, { domain, apiKey: 'key-2' }),
      c: modelAt(upstream, { domain, apiKey: 'key-1', model: 'other' }),
    },
  })
  expect(await router.verify()).toEqual([
    { domain, models: ['a', 'c'], ok: true },
    { domain, models: ['b'], ok: true },
  ])
  expect(upstream.requests.map(({ headers }) => headers['authorization'])).toEqual(['Bearer key-1', 'Bearer key-2'])
})

it.each([
  { what: 'a provider that is silent', apiKey: providerKey, afterMs: Infinity },
  { what: 'a key that never comes', apiKey: () => new Promise<string>(() => {}), afterMs: 0 },
])('verify gives up on $what', async ({ apiKey, afterMs }) => {
  const { clock, router } = yard({ models: { a: { answers: { afterMs }, apiKey } } })
  const verified = router.verify()
  await clock.advance(10_000)
  expect(await verified).toMatchObject([{ ok: false, code: 'upstream_timeout' }])
})

it('a probe notices that a provider is back, and is no call', async () => {
  const { clock, router, upstreams, call } = yard({
    models: { a: { answers: { status: 500 }, retry: false, breaker: false } },
    health: { probe: { intervalMs: 1_000 }, minimumCalls: 5, windowMs: 20_000 },
  })
  for (let index = 0; index < 5; index++) call()
  await clock.advance(1)
  expect(router.status().models[0]!.health!.state).toBe('unhealthy')
  upstreams['a']!.respond({ body: { data: [] } })
  await clock.advance(30_000)
  expect(router.status().models[0]!.health).toMatchObject({ state: 'healthy', errorRate: 0 })
  expect(upstreams['a']!.requests.slice(5).every(({ path }) => path === '/v1/models')).toBe(true)
  expect(upstreams['a']!.requests.length).toBeGreaterThan(25)
  await router.close()
  const count = upstreams['a']!.requests.length
  await clock.advance(10_000)
  expect(upstreams['a']!.requests).toHaveLength(count)
})

it('a probe that is asked to come less often says nothing of health, and closing waits for none', async () => {
  const { clock, router, upstreams } = yard({
    models: { a: { answers: { status: 429 } } },
    health: { probe: { intervalMs: 1_000 }, minimumCalls: 5 },
  })
  await clock.advance(10_000)
  expect(upstreams['a']!.requests.length).toBeGreaterThan(5)
  expect(router.status().models[0]!.health).toMatchObject({ state: 'healthy', calls: 0 })
  upstreams['a']!.respond({ afterMs: Infinity })
  await clock.advance(1_000)
  expect(upstreams['a']!.underWay()).toBe(1)
  const closed = router.close()
  await clock.settle()
  expect(upstreams['a']!.underWay()).toBe(0)
  await closed
})

it('a model with settings of its own on a route is probed for it, and shown as it stands there', async () => {
  const { clock, call, router, upstreams } = yard({
    models: { a: { answers: { status: 500 } }, b: {} },
    retry: false,
    health: { probe: { intervalMs: 1_000 }, minimumCalls: 5 },
    routes: {
      auto: { models: ['a', 'b'], breaker: { consecutiveFailures: 2 } },
      slow: { models: ['a', 'b'], health: { minimumCalls: 8 } },
      plain: { models: ['b'] },
    },
  })
  for (let index = 0; index < 2; index++) call()
  await clock.advance(7_001)
  const [a, b] = router.status().models
  expect(a).toMatchObject({
    breaker: { state: 'closed' },
    health: { calls: 9, state: 'unhealthy' },
    onRoutes: {
      auto: { breaker: { state: 'open' }, health: { calls: 9 } },
      slow: { breaker: { state: 'closed' }, health: { calls: 7, state: 'healthy' } },
    },
  })
  expect(Object.keys(a!.onRoutes!)).toEqual(['auto', 'slow'])
  expect(Object.keys(b!.onRoutes!)).toEqual(['auto', 'slow'])
  expect(upstreams['a']!.requests.filter(({ path }) => path === '/v1/models')).toHaveLength(7)
  const { candidates } = await router.explain({ body: chat() })
  expect(candidates.map(({ name }) => name)).toEqual(['b', 'a'])
})

it('a probe may be a setting of a route', async () => {
  const { clock, upstreams } = yard({
    models: { a: {} },
    routes: { auto: { models: ['a'], health: { probe: { intervalMs: 1_000 } } } },
  })
  await clock.advance(3_001)
  expect(upstreams['a']!.requests).toHaveLength(3)
})

it('an unhealthy model is tried last, and where it is the last an event says so', async () => {
  const { clock, call, router, upstreams } = yard({
    models: { a: { answers: { status: 500 }, breaker: false }, b: {} },
    retry: false,
    health: { minimumCalls: 5 },
  })
  const told: unknown[] = []
  router.on('last.resort', (event) => told.push(event))
  for (let index = 0; index < 5; index++) call({ model: 'a' })
  await clock.advance(2_000)
  call()
  await clock.settle()
  expect(upstreams['a']!.requests).toHaveLength(5)
  expect(told).toEqual([])
  upstreams['a']!.respond({})
  const last = call({ model: 'a' })
  await clock.settle()
  expect(last.state).toBe('fulfilled')
  expect(told).toMatchObject([{ route: 'a', model: 'a', health: 'unhealthy' }])
})

it('a router needs no model that can be verified', async () => {
  const router = createRouter({
    models: {
      own: {
        provider: {
          name: 'own',
          dialect: 'openai-chat',
          connect: () => ({ domain: 'own', send: () => Promise.reject(new Error('no')) }),
        },
      },
    },
  })
  expect(await router.verify()).toEqual([{ domain: 'own', models: ['own'], ok: true }])
  await router.close()
})
