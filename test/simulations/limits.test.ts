import { describe, expect, it, vi } from 'vitest'
import { mostInAMinute, overload, variedUsage } from './limits.ts'
import { type SentCall, simulate } from './simulation.ts'

vi.setConfig({ testTimeout: 60_000 })

const tokensOfOneCall = 280

describe.each(['sliding-window', 'token-bucket'] as const)('an upstream that enforces limits by a %s', (method) => {
  describe.each([
    { kind: 'requests', upstream: { requestsPerMinute: 120 }, own: { requestsPerMinute: 114 }, fitting: 120 },
    {
      kind: 'tokens',
      upstream: { tokensPerMinute: 120 * tokensOfOneCall },
      own: { tokensPerMinute: 114 * tokensOfOneCall },
      fitting: 120,
    },
  ] as const)('on $kind', ({ kind, upstream, own, fitting }) => {
    it('has nothing to refuse at 95 % of them', async () => {
      const { upstreams, calls } = await overload({
        upstream: { ...upstream, method },
        own,
        offeredPerMinute: 0.95 * fitting,
      })
      expect(upstreams['a']!.counts.limited).toBe(0)
      expect(calls.filter(({ error }) => error).length / calls.length).toBeLessThan(0.05)
    })

    it('has nothing to refuse at 150 % of them, is used to 95 %, and the rest is told when to come back', async () => {
      const { upstreams, calls } = await overload({
        upstream: { ...upstream, method },
        own,
        offeredPerMinute: 1.5 * fitting,
      })
      const { counts, journal } = upstreams['a']!
      expect(counts.limited).toBe(0)
      const limit = Object.values(own)[0]!
      const taken = journal.reduce((sum, { tokens }) => sum + (kind === 'tokens' ? tokens : 1), 0)
      expect(taken / (5 * limit)).toBeGreaterThanOrEqual(0.95)
      const most = kind === 'requests' ? limit : Object.values(upstream)[0]!
      expect(mostInAMinute(journal)[kind]).toBeLessThanOrEqual(most)
      const refused = calls.filter(({ error }) => error)
      expect(refused.length / calls.length).toBeGreaterThan(0.25)
      for (const { error } of refused) {
        expect(error).toMatchObject({ code: 'rate_limit_exceeded', limit: { kind } })
        expect(error!.retryAfterMs).toBeGreaterThan(0)
      }
    })
  })

  it('is hardly over-asked by a router that knows its limits from its headers alone', async () => {
    const known = await overload({ upstream: { requestsPerMinute: 120, method }, offeredPerMinute: 360 })
    const told = known.upstreams['a']!.counts
    expect(told.limited / told.requests).toBeLessThan(method === 'sliding-window' ? 0.1 : 0.01)
    expect(told.answered).toBeGreaterThanOrEqual(0.95 * (method === 'sliding-window' ? 600 : 720))
    expect(known.calls.filter(({ error }) => error?.code === 'upstream_rate_limited').length).toBeLessThan(20)
  })

  it('is asked again by a few at a time where it says no more than when', async () => {
    const unknown = await overload({
      upstream: { requestsPerMinute: 120, method, headers: false },
      offeredPerMinute: 480,
    })
    const { limited, answered, mostInFlight } = { ...unknown.upstreams['a']!.counts, ...unknown.upstreams['a'] }
    expect(limited / answered).toBeLessThan(1)
    expect(answered).toBeGreaterThanOrEqual(0.9 * (method === 'sliding-window' ? 600 : 720))
    expect(mostInFlight).toBeLessThan(40)
    expect(unknown.router.status().queue['model:a']).toBeLessThanOrEqual(20)
  })
})

it('moves what is over the limit of one model on to the next at once', async () => {
  const { upstreams, calls, offer } = simulate({
    models: {
      a: { limits: { requestsPerMinute: 120 }, usage: variedUsage(), options: { limits: { requestsPerMinute: 114 } } },
      b: { usage: variedUsage(2) },
    },
  })
  await offer({ perSecond: 3, seconds: 300 })
  expect(upstreams['a']!.counts.limited).toBe(0)
  expect(upstreams['a']!.counts.requests).toBe(5 * 114)
  expect(calls.filter(({ error }) => error)).toEqual([])
  expect(upstreams['a']!.counts.requests + upstreams['b']!.counts.requests).toBe(calls.length)
})

describe('Retry-After', () => {
  const come = { limits: { requestsPerMinute: 60 } }

  it('is when a caller over its own limit gets in again, and no earlier', async () => {
    const { clock, offer, send, calls } = simulate({
      models: { a: {} },
      limits: [{ per: 'user', requestsPerMinute: 10 }],
    })
    const users = ['u1', 'u2', 'u3']
    await offer({ perSecond: 2, seconds: 40, init: (index) => ({ identity: { user: users[index % 3]! } }) })
    const back: SentCall[] = []
    const early: SentCall[] = []
    for (const user of users) {
      const refused = send({ identity: { user } })
      await clock.settle()
      const { retryAfterMs } = refused.error!
      expect(retryAfterMs).toBeGreaterThan(0)
      clock.setTimeout(() => early.push(send({ identity: { user } })), retryAfterMs! - 2)
      clock.setTimeout(() => back.push(send({ identity: { user } })), Math.ceil(retryAfterMs!))
    }
    await clock.advance(70_000)
    expect(early.map(({ error }) => error?.code)).toEqual(Array(3).fill('rate_limit_exceeded'))
    expect(back.map(({ model }) => model)).toEqual(['a', 'a', 'a'])
    expect(calls.at(-1)!.endedMs).toBeDefined()
  })

  it('is when those who wait for a model have had their turn: who comes back then is let in at once', async () => {
    const { clock, offer, send, calls, upstreams } = simulate({
      models: { a: { latencyMs: () => 100, options: come } },
      queue: { maximumWaiting: 10 },
      timeouts: { callMs: 60_000 },
    })
    await offer({ perSecond: 1.5, seconds: 180 })
    const { error } = calls.findLast((call) => call.error)!
    expect(error!.reason).toBe('queue_full')
    const refused = send()
    await clock.settle()
    await clock.advance(Math.ceil(refused.error!.retryAfterMs!))
    const returned = send()
    await clock.advance(1_000)
    expect(returned.model).toBe('a')
    expect(mostInAMinute(upstreams['a']!.journal).requests).toBe(60)
  })

  it('stands in the headers of a 429, in whole seconds and in milliseconds', async () => {
    const { router } = simulate({ models: { a: {} }, limits: [{ per: 'user', requestsPerMinute: 1 }] })
    const { handle, fetch } = router.as({ user: 'u1' })
    const body = { model: 'a', messages: [{ role: 'user', content: 'Hi' }] }
    void handle({ body })
    const answer = await fetch('http://in.process/v1/chat/completions', { method: 'POST', body: JSON.stringify(body) })
    expect(answer.status).toBe(429)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'retry-after': '60',
      'retry-after-ms': '60000',
      'x-ratelimit-limit-requests': '1',
      'x-ratelimit-remaining-requests': '0',
    })
  })
})
