import { describe, expect, it } from 'vitest'
import type { Plugin } from '@signalbox/core'
import { completionBody } from '@signalbox/testkit'
import { limited, refused, turns, yard } from './support/fake-upstream.ts'
import { listenTo } from './support/routers.ts'

const many50 = Array.from({ length: 50 })

describe('a limit, as time goes', () => {
  it('is never exceeded in any 60 seconds, and lets the next in as soon as there is room', async () => {
    const { clock, call, upstreams } = yard({ models: { a: { limits: { requestsPerMinute: 3 } } } })
    for (let second = 0; second < 120; second += 10) {
      call()
      call()
      await clock.advance(10_000)
    }
    await clock.advance(180_000)
    const at = upstreams['a']!.requests.map(({ atMs }) => atMs)
    expect(at.length).toBeGreaterThanOrEqual(9)
    const gaps = at.slice(3).map((atMs, index) => atMs - at[index]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_001)
  })

  it('goes by no wall clock', async () => {
    const { clock, call, upstreams } = yard({ models: { a: { limits: { requestsPerMinute: 1 } } } })
    call()
    const second = call()
    await clock.advance(30_000)
    clock.jumpWallTime(3_600_000)
    await clock.advance(29_000)
    clock.jumpWallTime(-7_200_000)
    expect(upstreams['a']!.requests).toHaveLength(1)
    await clock.advance(1_001)
    expect(second.state).toBe('fulfilled')
  })

  it('of a caller refuses at once, and counts a call that was never sent for nothing', async () => {
    const { clock, call, router } = yard({
      models: { a: { limits: { requestsPerMinute: 1 } } },
      limits: [{ per: 'user', requestsPerMinute: 2 }],
    })
    call({}, { identity: { user: 'u' } })
    await clock.settle()
    const hurried = call({}, { identity: { user: 'u' }, timeoutMs: 1_000 })
    await clock.advance(1_001)
    expect(hurried.error).toMatchObject({ code: 'rate_limit_exceeded', movesOn: true })
    const third = call({}, { identity: { user: 'u' } })
    await clock.settle()
    expect(third.state).toBe('pending')
    const fourth = call({}, { identity: { user: 'u' } })
    await clock.settle()
    const limit = { kind: 'requests', limit: 2 }
    expect(fourth.error).toMatchObject({ code: 'rate_limit_exceeded', limit, movesOn: false })
    expect(router.status().queue).toEqual({ 'model:a': 1 })
  })

  it('of a caller counts a call that a plugin sends twice as two, each by what it used', async () => {
    let times = 2
    const again: Plugin = {
      name: 'again',
      call: {
        stage: 'guard',
        async run(call, next) {
          for (; times > 1; times--) await (await next(call)).ended
          return next(call)
        },
      },
    }
    const usage = { prompt_tokens: 200, completion_tokens: 100, total_tokens: 300 }
    const { clock, call } = yard({
      models: { a: { answers: { body: completionBody({ content: 'hello', usage }) } } },
      limits: [{ per: 'user', requestsPerMinute: 4, tokensPerMinute: 1_000 }],
      plugins: [again],
    })
    const calls = []
    for (let index = 0; index < 3; index++) {
      calls.push(call({ max_tokens: 300 }, { identity: { user: 'u' } }))
      await clock.advance(1)
    }
    expect(calls.map(({ error }) => error?.limit?.kind)).toEqual([undefined, undefined, 'tokens'])
  })

  it('of several models are waited for where one may go on soonest', async () => {
    const { clock, call } = yard({
      models: {
        a: { answers: turns(limited({ 'retry-after': '100' }), {}) },
        b: { answers: turns(limited({ 'retry-after': '2' }), {}) },
      },
    })
    call()
    await clock.settle()
    const second = call()
    await clock.advance(10_000)
    expect(second).toMatchObject({ state: 'fulfilled', value: { model: 'b' } })
  })

  it('that a request exceeds at one model only are no word on the others', async () => {
    const { clock, call } = yard({
      models: {
        a: { limits: { tokensPerMinute: 100 } },
        b: { answers: { afterMs: 5_000 }, limits: { tokensPerMinute: 1_000 } },
      },
    })
    const asked = { max_tokens: 900 }
    call(asked)
    await clock.settle()
    const second = call(asked, { timeoutMs: 1_000 })
    await clock.advance(1_001)
    expect(second.error).toMatchObject({ code: 'rate_limit_exceeded', limit: { limit: 1_000 } })
    const never = call({ max_tokens: 1_001 })
    await clock.settle()
    expect(never.error).toMatchObject({ code: 'limit_exceeded' })
  })

  it('of a provider turn nobody away who would have waited had they come later', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: (_request, index) => (index < 50 ? limited({ 'retry-after': '1' }) : {}) } },
    })
    const first = many50.map(() => call())
    await clock.advance(10)
    const later = many50.map(() => call())
    await clock.advance(30_000)
    expect([...first, ...later].map(({ state }) => state)).toEqual([...many50, ...many50].map(() => 'fulfilled'))
    expect(upstreams['a']!.requests).toHaveLength(150)
  })

  it('of a provider are not waited for by a call that may ask once only', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: limited({ 'retry-after': '1' }) } },
      retry: false,
    })
    const followed = call()
    await clock.settle()
    expect(followed.error).toMatchObject({ code: 'upstream_rate_limited', retryAfterMs: 1_000 })
    await clock.advance(5_000)
    expect(upstreams['a']!.requests).toHaveLength(1)
  })

  it('are not waited for at a provider that has refused its key in the meantime', async () => {
    const { clock, call } = yard({ models: { a: { answers: turns(limited({ 'retry-after': '1' }), refused(401)) } } })
    call()
    await clock.settle()
    const waiting = [call(), call()]
    await clock.advance(3_000)
    expect(waiting.map(({ error }) => error?.code)).toEqual(['provider_auth_failed', 'provider_auth_failed'])
  })

  it('of tokens refuse no request for what others used', async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 3_000, total_tokens: 3_010 }
    const body = { ...completionBody({ content: 'x' }), usage }
    const { clock, call } = yard({ models: { a: { answers: { body }, limits: { tokensPerMinute: 10_000 } } } })
    call()
    await clock.advance(60_001)
    const long = call({ messages: [{ role: 'user', content: 'word '.repeat(3_000) }] })
    await clock.settle()
    expect(long.state).toBe('fulfilled')
  })

  it('of tokens charges a caller who leaves for what was estimated, and one who was refused for nothing', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: { afterMs: 5_000 } } },
      limits: [{ per: 'user', tokensPerMinute: 1_000 }],
    })
    const identity = { user: 'u' }
    const caller = new AbortController()
    call({ max_tokens: 900 }, { identity, signal: caller.signal })
    await clock.advance(100)
    caller.abort()
    await clock.advance(100)
    const second = call({ max_tokens: 900 }, { identity })
    await clock.advance(1)
    expect(second.error).toMatchObject({ code: 'rate_limit_exceeded', limit: { kind: 'tokens' } })

    upstreams['a']!.respond(limited({ 'retry-after': '3600' }))
    for (let index = 0; index < 3; index++) {
      const next = call({ max_tokens: 900 }, { identity: { user: 'other' } })
      await clock.advance(1)
      expect(next.error.code).toBe(index === 0 ? 'upstream_rate_limited' : 'rate_limit_exceeded')
      expect(next.error.limit).toBeUndefined()
    }
  })

  it('that is nearly used up at the provider, by its own headers, is kept before it says no', async () => {
    const { clock, call, upstreams, router } = yard({
      models: {
        a: {
          answers: {
            headers: {
              'x-ratelimit-limit-requests': '10',
              'x-ratelimit-remaining-requests': '0',
              'x-ratelimit-reset-requests': '20s',
            },
          },
        },
      },
    })
    call()
    await clock.advance(1)
    const second = call()
    await clock.advance(1)
    expect(upstreams['a']!.requests).toHaveLength(1)
    expect(router.status().models[0]!.learnedLimits).toMatchObject([{ kind: 'requests', limit: 10, remaining: 0 }])
    await clock.advance(2_000)
    expect(second.state).toBe('fulfilled')
  })

  it('serves the more urgent first', async () => {
    const order: string[] = []
    const { clock, call } = yard({
      models: {
        a: { answers: (heard) => (order.push(heard.body.user), { afterMs: 100 }), limits: { concurrency: 1 } },
      },
      plugins: [
        {
          name: 'priorities',
          call: {
            stage: 'classify',
            run: (one, next) => next({ ...one, labels: { priority: String(one.request.body['user']).slice(1) } }),
          },
        },
      ],
    })
    for (const user of ['p3', 'p5', 'p1', 'p3', 'p2']) call({ user })
    await clock.advance(1_000)
    expect(order).toEqual(['p3', 'p1', 'p2', 'p3', 'p5'])
  })

  it('says so at once when its queue is full', async () => {
    const { clock, call } = yard({
      models: { a: { answers: { afterMs: 1_000 }, limits: { concurrency: 1 } } },
      queue: { maximumWaiting: 1 },
    })
    const [, second, third] = [call(), call(), call()]
    await clock.advance(1)
    expect(third.error).toMatchObject({ code: 'rate_limit_exceeded', reason: 'queue_full' })
    await clock.advance(2_000)
    expect(second.state).toBe('fulfilled')
  })
})

describe('a hold', () => {
  it('lasts as long as the provider asked, and shows in the status', async () => {
    const { clock, call, router, upstreams } = yard({
      models: { a: { answers: limited({ 'retry-after': '30' }) }, b: {} },
    })
    call()
    await clock.advance(1_000)
    expect(router.status().models[0]).toMatchObject({ readyInMs: 29_000, heldFor: 'upstream_rate_limited' })
    expect(router.status().models[0]!.breaker).toMatchObject({ state: 'closed', failures: 0 })
    expect(router.status().models[0]!.health).toMatchObject({ calls: 0 })
    call()
    await clock.advance(28_999)
    expect(upstreams['a']!.requests).toHaveLength(1)
    call()
    await clock.advance(1)
    call()
    await clock.settle()
    expect(upstreams['a']!.requests).toHaveLength(2)
  })

  it('keeps other names and other keys free: it is on the name at the provider', async () => {
    const { clock, call, upstreams } = yard({
      models: {
        a: { answers: limited({ 'retry-after': '30' }), domain: 'one', model: 'big' },
        b: { domain: 'one', model: 'big' },
        c: { domain: 'one', model: 'small' },
      },
      retry: false,
    })
    const followed = call()
    await clock.advance(1)
    expect(followed.value).toMatchObject({ model: 'c' })
    expect(upstreams['b']!.requests).toHaveLength(0)
  })

  it('is on the whole domain where the refusal says so', async () => {
    const answers = limited({ 'retry-after': '30' })
    const { clock, call, upstreams } = yard({
      models: {
        a: {
          answers: { ...answers, body: { error: { type: 'requests', code: 'organization_rate_limit', message: '' } } },
          domain: 'one',
          model: 'big',
        },
        b: { domain: 'one', model: 'small' },
        c: { model: 'elsewhere' },
      },
    })
    const followed = call()
    await clock.advance(1)
    expect(followed.value).toMatchObject({ model: 'c' })
    expect(upstreams['b']!.requests).toHaveLength(0)
  })

  it('is kept by those who waited for room when the provider asked for it', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { limits: { concurrency: 1 }, answers: turns(limited({ 'retry-after': '5' }), {}) } },
    })
    const all = Array.from({ length: 4 }, () => call())
    await clock.advance(4_999)
    expect(upstreams['a']!.requests).toHaveLength(1)
    await clock.advance(20_000)
    expect(all.map(({ state }) => state)).toEqual(all.map(() => 'fulfilled'))
    expect(upstreams['a']!.requests).toHaveLength(5)
  })

  it('that outlasts their calls lets those go on to another model who waited for room', async () => {
    const { clock, call } = yard({
      models: {
        a: { limits: { concurrency: 1 }, answers: { ...limited({ 'retry-after': '60' }), afterMs: 100 } },
        b: { limits: { concurrency: 1 }, answers: { afterMs: 1_000 } },
      },
      timeouts: { callMs: 30_000 },
      retry: false,
    })
    const all = Array.from({ length: 3 }, () => call())
    await clock.advance(5_000)
    expect(all.map(({ value }) => value?.model)).toEqual(['b', 'b', 'b'])
  })

  it('is waited out by the second pass where it ends in time, whatever else failed before', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: limited({ 'retry-after': '4' }) }, b: { answers: { status: 500 } } },
      retry: false,
    })
    call()
    await clock.advance(1_000)
    upstreams['a']!.respond({})
    const second = call()
    await clock.advance(2_999)
    expect(second.state).toBe('pending')
    expect(upstreams['b']!.requests).toHaveLength(2)
    await clock.advance(2)
    expect(second).toMatchObject({ state: 'fulfilled', value: { model: 'a' }, atMs: 4_000 })
  })

  it('is not waited for where the call ends sooner, and leaves with the caller', async () => {
    const { clock, call } = yard({
      models: { a: { answers: limited({ 'retry-after': '40' }) } },
      timeouts: { callMs: 30_000 },
    })
    call()
    await clock.advance(1)
    const late = call()
    await clock.advance(1)
    expect(late.error).toMatchObject({ code: 'rate_limit_exceeded', retryAfterMs: 39_999, retryable: false })
    await clock.advance(15_000)
    const caller = new AbortController()
    const waiting = call({}, { signal: caller.signal })
    await clock.advance(1_000)
    expect(waiting.state).toBe('pending')
    caller.abort()
    await clock.settle()
    expect(waiting.error).toMatchObject({ code: 'cancelled' })
  })

  it('is extended by a later refusal and never cut short (litellm#40130)', async () => {
    const { clock, call, router, upstreams } = yard({
      models: { a: { answers: { ...limited({ 'retry-after': '10' }), afterMs: 500 } } },
      retry: false,
    })
    call()
    upstreams['a']!.respond({ ...limited({ 'retry-after': '60' }), afterMs: 600 })
    call()
    upstreams['a']!.respond({ ...limited({ 'retry-after': '1' }), afterMs: 700 })
    call()
    await clock.advance(1_000)
    expect(upstreams['a']!.requests).toHaveLength(3)
    expect(router.status().models[0]!.readyInMs).toBe(59_600)
  })

  it('goes by no wall clock', async () => {
    const { clock, call, router } = yard({ models: { a: { answers: limited({ 'retry-after': '10' }) } }, retry: false })
    call()
    await clock.advance(1_000)
    for (const jumpMs of [3_600_000, -7_200_000]) {
      clock.jumpWallTime(jumpMs)
      expect(router.status().models[0]!.readyInMs).toBe(9_000)
    }
  })

  it.each([
    { what: 'a used-up quota', status: 429, code: 'insufficient_quota', holdMs: 300_000, alert: 'provider_quota' },
    { what: 'a refused key', status: 401, code: 'invalid_api_key', holdMs: 60_000, alert: 'provider_auth' },
  ])('for $what is on the whole domain, and one call asks again after it', async ({ status, code, holdMs, alert }) => {
    const answers = { status, body: { error: { code, message: '' } } }
    const { clock, call, router, upstreams } = yard({
      models: { a: { answers, domain: 'one', model: 'x' }, b: { domain: 'one', model: 'y' }, c: {} },
    })
    const told = listenTo(router)
    const first = call()
    await clock.advance(1)
    expect(first.value).toMatchObject({ model: 'c' })
    expect(upstreams['b']!.requests).toHaveLength(0)
    expect(router.status().models.map(({ readyInMs }) => readyInMs)).toEqual([holdMs - 1, holdMs - 1, 0])
    await clock.advance(holdMs - 2)
    call()
    await clock.advance(1)
    expect(upstreams['a']!.requests).toHaveLength(1)
    call()
    await clock.settle()
    expect(upstreams['a']!.requests).toHaveLength(2)
    expect(told.filter(({ event }) => event === 'alert')).toMatchObject([
      { payload: { kind: alert, model: 'a', domain: 'one' } },
      { payload: { kind: alert } },
    ])
  })

  it('of a rate limit cuts a weight for a time', async () => {
    const { clock, call, router } = yard({
      models: { a: { answers: limited({ 'retry-after': '1' }) }, b: {} },
      routes: { auto: { strategy: 'weighted', models: ['a', { model: 'b', weight: 0.0001 }] } },
    })
    call()
    await clock.advance(1)
    expect(router.status().models[0]!.weightShare).toBeCloseTo(0.8, 2)
    await clock.advance(300_000)
    expect(router.status().models[0]!.weightShare).toBeGreaterThan(0.99)
  })
})
