import { describe, expect, it } from 'vitest'
import { type Canned, limited, refused, turns, yard } from './support/fake-upstream.ts'
import { listenTo, providerKey } from './support/routers.ts'

const atMsOf = ({ requests }: { requests: readonly { atMs: number }[] }) => requests.map(({ atMs }) => atMs)
const serverError = refused(500, { message: 'It broke' })
const overloaded = refused(503, { code: 'server_is_overloaded' })

/** The waits before the second and the third attempt, by what chance draws. */
const waits = async (draw: number) => {
  const { clock, call, upstreams } = yard({
    models: { a: { answers: serverError } },
    retry: { maxAttempts: 3, budgetRatio: 1, budgetPerSecond: 1_000 },
    random: () => draw,
  })
  call({ model: 'a' })
  await clock.advance(60_000)
  const [first, second, third] = atMsOf(upstreams['a']!) as [number, number, number]
  return [second - first, third - second]
}

describe('attempts', () => {
  it('at one model are bounded by maxAttempts', async () => {
    const { clock, call, upstreams } = yard({ models: { a: { answers: serverError } }, retry: { maxAttempts: 2 } })
    const followed = call()
    await clock.advance(60_000)
    expect(followed.error).toMatchObject({ code: 'upstream_error', status: 500 })
    expect(upstreams['a']!.requests).toHaveLength(2)
  })

  it('of one call are bounded by maxAttemptsPerCall, whichever models they were at', async () => {
    const models = Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((name) => [name, { answers: serverError, domain: 'one' }]),
    )
    const { clock, call, upstreams } = yard({ models, retry: { maxAttemptsPerCall: 5, budgetRatio: 1 } })
    const followed = call()
    await clock.advance(60_000)
    expect(followed.state).toBe('rejected')
    expect(Object.values(upstreams).flatMap(({ requests }) => requests)).toHaveLength(5)
    expect(followed.error.failures).toHaveLength(5)
  })

  it('at one model stay bounded where a model without retries stands on the route', async () => {
    const { clock, call, upstreams } = yard({
      models: {
        a: { answers: serverError, domain: 'one' },
        b: { answers: serverError, domain: 'one' },
        c: { answers: serverError, domain: 'one', retry: false },
      },
      retry: { maxAttempts: 3, maxAttemptsPerCall: 4, budgetRatio: 1, budgetPerSecond: 100 },
    })
    call()
    await clock.advance(60_000)
    expect(Object.values(upstreams).flatMap(({ requests }) => requests)).toHaveLength(4)
  })

  it('at one model stay bounded over both passes', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: limited({ 'retry-after-ms': '300' }) } },
      retry: { maxAttempts: 2, maxAttemptsPerCall: 10 },
      random: () => 0.999,
    })
    const first = call()
    await clock.advance(100)
    const second = call()
    await clock.advance(60_000)
    expect(first.error.failures).toHaveLength(2)
    expect(second.error.failures.length).toBeLessThanOrEqual(2)
    expect(upstreams['a']!.requests.length).toBeLessThanOrEqual(4)
  })

  it('are drawn over the whole of a doubling wait', async () => {
    expect(await waits(0.01)).toEqual([5, 10])
    expect(await waits(0.5)).toEqual([250, 500])
    expect(await waits(0.99)).toEqual([495, 990])
  })

  it('wait longer after a rate limit or an overload', async () => {
    for (const answers of [limited(), overloaded]) {
      const { clock, call, upstreams } = yard({ models: { a: { answers: turns(answers, {}) } }, random: () => 0.99 })
      const followed = call()
      await clock.advance(5_000)
      expect(followed.state).toBe('fulfilled')
      expect(atMsOf(upstreams['a']!)[1]).toBeGreaterThanOrEqual(990)
    }
  })

  it.each<{ what: string; answers: Canned; code: string; requests: number }>([
    { what: 'a 500', answers: serverError, code: 'upstream_error', requests: 3 },
    { what: 'a 502', answers: refused(502), code: 'upstream_error', requests: 3 },
    { what: 'a 504', answers: refused(504), code: 'upstream_error', requests: 3 },
    { what: 'a 408', answers: refused(408), code: 'upstream_error', requests: 3 },
    { what: 'a 529', answers: refused(529, { type: 'overloaded_error' }), code: 'upstream_overloaded', requests: 3 },
    {
      what: 'a web page',
      answers: { status: 502, body: '<h1>Bad Gateway</h1>' },
      code: 'bad_upstream_response',
      requests: 3,
    },
    { what: 'a 429', answers: limited(), code: 'upstream_rate_limited', requests: 3 },
    { what: 'a 400', answers: refused(400), code: 'upstream_rejected', requests: 1 },
    { what: 'a 409', answers: refused(409), code: 'upstream_rejected', requests: 1 },
    { what: 'a 413', answers: refused(413), code: 'upstream_rejected', requests: 1 },
    { what: 'a 422', answers: refused(422), code: 'upstream_rejected', requests: 1 },
    { what: 'a 401', answers: refused(401), code: 'provider_auth_failed', requests: 1 },
    { what: 'a 403', answers: refused(403), code: 'provider_auth_failed', requests: 1 },
    { what: 'a 404', answers: refused(404), code: 'provider_model_not_found', requests: 1 },
    {
      what: 'a used-up quota',
      answers: refused(429, { code: 'insufficient_quota' }),
      code: 'upstream_quota_exhausted',
      requests: 1,
    },
    {
      what: 'a used-up quota whose provider says to retry',
      answers: refused(429, { type: 'insufficient_quota' }, { 'x-should-retry': 'true' }),
      code: 'upstream_quota_exhausted',
      requests: 1,
    },
    {
      what: 'a refused key whose provider says to retry',
      answers: refused(401, {}, { 'x-should-retry': 'true' }),
      code: 'provider_auth_failed',
      requests: 1,
    },
    {
      what: 'a 500 whose provider says not to retry',
      answers: refused(500, {}, { 'x-should-retry': 'false' }),
      code: 'upstream_error',
      requests: 1,
    },
    {
      what: 'a 409 whose provider says to retry',
      answers: refused(409, {}, { 'x-should-retry': 'true' }),
      code: 'upstream_rejected',
      requests: 3,
    },
  ])('of $what are $requests', async ({ answers, code, requests }) => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers } },
      retry: { budgetPerSecond: 1_000 },
      breaker: false,
      random: () => 0.5,
    })
    const followed = call()
    await clock.advance(170_000)
    expect(followed.error).toMatchObject({ code })
    expect(upstreams['a']!.requests).toHaveLength(requests)
  })
})

describe('the wait before another attempt', () => {
  const cases: readonly { headers: Record<string, string | string[]>; waitMs: number; ignored?: string }[] = [
    { headers: { 'retry-after': '1' }, waitMs: 1_000 },
    { headers: { 'retry-after': '2.5' }, waitMs: 2_500 },
    { headers: { 'retry-after-ms': '700' }, waitMs: 700 },
    { headers: { 'retry-after-ms': '700', 'retry-after': '9' }, waitMs: 700 },
    { headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, waitMs: 7_000 },
    { headers: { 'retry-after': 'Wed, 31 Dec 2025 23:00:00 GMT' }, waitMs: 1_000 },
    { headers: { 'retry-after': 'soon' }, waitMs: 1_000, ignored: 'soon' },
    { headers: { 'retry-after': '-5' }, waitMs: 1_000, ignored: '-5' },
    { headers: { 'retry-after': '1e999' }, waitMs: 1_000, ignored: '1e999' },
    { headers: { 'retry-after': '1767225601' }, waitMs: 1_000, ignored: '1767225601' },
    { headers: { 'retry-after': '' }, waitMs: 1_000, ignored: 'retry-after' },
    { headers: { 'retry-after': ['1', '60'] }, waitMs: 1_000, ignored: 'retry-after' },
  ]
  it.each(cases)('is $waitMs ms for $headers', async ({ headers, waitMs, ignored }) => {
    const { clock, call, router, upstreams } = yard({ models: { a: { answers: turns(limited(headers), {}) } } })
    const told = listenTo(router)
    const followed = call()
    await clock.advance(waitMs - 1)
    expect(upstreams['a']!.requests).toHaveLength(1)
    await clock.advance(2)
    expect(followed.state).toBe('fulfilled')
    const warnings = told.filter(({ event }) => event === 'warning')
    expect(warnings.map(({ payload }) => payload)).toEqual(
      [ignored ?? []].flat().map((text) => ({
        kind: 'ignored_retry_after',
        model: 'a',
        message: expect.stringContaining(text),
      })),
    )
  })

  it('never outlasts the call: the refusal is told at once, and a client is told not to come back by itself', async () => {
    const { clock, call } = yard({ models: { a: { answers: limited({ 'retry-after': '3600' }) } } })
    const followed = call()
    await clock.advance(1)
    expect(followed.error).toMatchObject({ code: 'upstream_rate_limited', retryAfterMs: 3_600_000, retryable: false })
  })

  it('is told in the same way where nothing is retried at all', async () => {
    const { clock, call } = yard({ models: { a: { answers: limited({ 'retry-after': '3600' }) } }, retry: false })
    const followed = call()
    await clock.advance(1)
    expect(followed.error).toMatchObject({ code: 'upstream_rate_limited', retryable: false })
    const next = call()
    await clock.advance(1)
    expect(next.error).toMatchObject({ code: 'rate_limit_exceeded', retryAfterMs: 3_599_999, retryable: false })
  })

  it('is no wait where a model of another domain is well', async () => {
    const { clock, call, upstreams } = yard({ models: { a: { answers: limited({ 'retry-after': '5' }) }, b: {} } })
    const followed = call()
    await clock.advance(1)
    expect(followed.value).toMatchObject({ model: 'b' })
    expect(upstreams['a']!.requests).toHaveLength(1)
  })

  it('is kept where the only other model is at its limit', async () => {
    const { clock, call } = yard({
      models: { a: { answers: turns(serverError, {}) }, b: { limits: { requestsPerMinute: 1 } } },
      random: () => 0.5,
    })
    call({ model: 'b' })
    const followed = call()
    await clock.advance(251)
    expect(followed).toMatchObject({ state: 'fulfilled', value: { model: 'a' } })
  })

  it('is kept where the only other model fails together with this one', async () => {
    const { clock, call, upstreams } = yard({
      models: {
        a: { answers: turns(limited({ 'retry-after': '5' }), {}), domain: 'one' },
        b: { domain: 'one', model: 'other' },
      },
    })
    const followed = call()
    await clock.advance(4_999)
    expect(followed.state).toBe('pending')
    await clock.advance(2)
    expect(followed.value).toMatchObject({ model: 'a' })
    expect(upstreams['b']!.requests).toHaveLength(0)
  })

  it('is as long as the last refusal asks, not the first (litellm#20722)', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: turns(limited({ 'retry-after': '1' }), limited({ 'retry-after': '9' }), {}) } },
      retry: { budgetPerSecond: 100 },
    })
    const followed = call()
    await clock.advance(20_000)
    expect(followed.state).toBe('fulfilled')
    expect(atMsOf(upstreams['a']!)).toEqual([0, 1_000, 10_000])
  })

  it('ends with the caller: no later attempt, nowhere', async () => {
    const { clock, call, upstreams } = yard({ models: { a: { answers: limited({ 'retry-after': '5' }) } } })
    const caller = new AbortController()
    const followed = call({}, { signal: caller.signal })
    await clock.advance(1_000)
    caller.abort()
    await clock.advance(60_000)
    expect(followed).toMatchObject({ state: 'rejected', error: { code: 'cancelled' }, atMs: 1_000 })
    expect(upstreams['a']!.requests).toHaveLength(1)
  })

  it('ends with the breaker: what is kept out is not waited for', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: serverError } },
      breaker: { consecutiveFailures: 2 },
      retry: { budgetPerSecond: 100 },
      random: () => 0.5,
    })
    const followed = call()
    await clock.advance(1_000)
    expect(followed).toMatchObject({ state: 'rejected', error: { code: 'upstream_error' } })
    expect(upstreams['a']!.requests).toHaveLength(2)
  })
})

describe('a refusal', () => {
  const forbidden = (error: object) => refused(403, { message: 'No', ...error })
  const flagged = forbidden({ message: 'Your input was flagged for "violence". No credits were charged.' })

  it.each([
    { what: 'a model that its key may not use', answers: forbidden({}), code: 'provider_auth_failed', held: true },
    {
      what: 'a model that its project has not',
      answers: forbidden({ code: 'model_not_found' }),
      code: 'provider_model_not_found',
      held: false,
    },
    { what: 'what moderation flagged', answers: flagged, code: 'upstream_rejected', held: false },
    {
      what: 'a request that alone is over a limit',
      answers: refused(429, { message: 'Request too large for gpt-4.1 on tokens per min (TPM)', type: 'tokens' }),
      code: 'upstream_rejected',
      held: false,
    },
    { what: 'a key', answers: refused(401), code: 'provider_auth_failed', held: true, all: true },
  ])('of $what keeps calls away only from where it holds', async ({ answers, code, held, all = false }) => {
    const { clock, call } = yard({
      models: { a: { answers: turns(answers, {}), domain: 'one' }, b: { domain: 'one', model: 'other' } },
    })
    const first = call({ model: 'a' })
    await clock.settle()
    expect(first.error).toMatchObject({ code })
    const [other, again] = [call({ model: 'b' }), call({ model: 'a' })]
    await clock.settle()
    expect([other.state, again.state]).toEqual([all ? 'rejected' : 'fulfilled', held ? 'rejected' : 'fulfilled'])
  })

  it('of our own, for want of a key, is over in a second', async () => {
    let isShut = true
    const apiKey = async () => (isShut ? Promise.reject(new Error('the vault is shut')) : providerKey)
    const { clock, call } = yard({ models: { a: { apiKey } } })
    const [failed, next] = [call(), call()]
    await clock.advance(500)
    isShut = false
    const held = call()
    await clock.advance(501)
    const after = call()
    await clock.settle()
    expect([failed.error.code, next.error.code, held.error.code]).toEqual(
      Array.from({ length: 3 }, () => 'provider_auth_failed'),
    )
    expect(after.state).toBe('fulfilled')
  })

  it.each([405, 410, 424, 451, 498])('with %i may be one model of many: the next one is asked', async (status) => {
    const { clock, call, router } = yard({ models: { a: { answers: refused(status) }, b: {} }, retry: false })
    const moved = call()
    await clock.settle()
    expect(moved.value).toMatchObject({ model: 'b' })
    const alone = call({ model: 'a' })
    await clock.settle()
    expect(alone.error).toMatchObject({ status })
    expect(router.status().models[0]!.breaker).toMatchObject({ consecutiveFailures: status === 498 ? 2 : 0 })
  })
})

describe('the time of a call', () => {
  it('is one for all its attempts', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: { ...serverError, afterMs: 400 } } },
      timeouts: { callMs: 1_000 },
      retry: { maxAttempts: 9, maxAttemptsPerCall: 9, budgetPerSecond: 100 },
      breaker: false,
    })
    const followed = call()
    await clock.advance(5_000)
    expect(followed).toMatchObject({ state: 'rejected', error: { code: 'deadline_exceeded' }, atMs: 1_000 })
    expect(upstreams['a']!.requests).toHaveLength(3)
  })

  it('ends a queue as it ends an attempt', async () => {
    const { clock, call, upstreams } = yard({
      models: { a: { answers: { afterMs: 5_000 }, limits: { concurrency: 1 } } },
    })
    call()
    const second = call({}, { timeoutMs: 2_000 })
    await clock.advance(10_000)
    expect(second).toMatchObject({ error: { code: 'rate_limit_exceeded' }, atMs: 2_000 })
    expect(upstreams['a']!.requests).toHaveLength(1)
  })

  it('goes by no wall clock', async () => {
    const { clock, call } = yard({ models: { a: { answers: turns(limited({ 'retry-after': '5' }), {}) } } })
    const followed = call()
    await clock.advance(1_000)
    clock.jumpWallTime(3_600_000)
    await clock.advance(3_999)
    expect(followed.state).toBe('pending')
    clock.jumpWallTime(-7_200_000)
    await clock.advance(2)
    expect(followed).toMatchObject({ state: 'fulfilled', atMs: 5_000 })
  })
})

describe('the retry budget', () => {
  it.each([{ breaker: false as const }, { breaker: {} }])(
    'keeps a total outage to 1.1 requests a call (breaker: $breaker)',
    async ({ breaker }) => {
      const { clock, call, upstreams } = yard({ models: { a: { answers: serverError } }, breaker })
      for (let second = 0; second < 120; second++) {
        for (let index = 0; index < 50; index++) call()
        await clock.advance(1_000)
      }
      expect(upstreams['a']!.requests.length).toBeLessThanOrEqual(120 * 50 * 1.1)
    },
    60_000,
  )
})

describe('every failure', () => {
  it('is kept in the error, oldest first, without a secret', async () => {
    const { clock, call } = yard({
      models: {
        a: { answers: refused(500, { message: `broke with ${providerKey}` }), domain: 'one' },
        b: { answers: { fails: Object.assign(new Error('no'), { code: 'ECONNREFUSED' }) } },
        c: { answers: refused(401) },
      },
    })
    const followed = call()
    await clock.advance(60_000)
    expect(followed.error.failures).toEqual([
      { model: 'a', code: 'upstream_error', message: expect.not.stringContaining(providerKey), status: 500 },
      { model: 'b', code: 'upstream_unreachable', message: 'The provider could not be reached' },
      { model: 'c', code: 'provider_auth_failed', message: 'The provider refused the key it was given', status: 401 },
    ])
  })
})
