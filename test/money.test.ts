import { describe, expect, it, vi } from 'vitest'
import { type RouterOptions, definePlugin, hedge, usdOf } from '@signalbox/core'
import { completionBody } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { type YardOptions, refused, turns, yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

/** 1 nano-USD for a token of input, 10 for one of output. */
const price = { input: 0.001, output: 0.01 }
const nanoUsd = 1e-9
const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
const answer = { body: completionBody({ content: 'hello', usage }) }
const cost = 300n
const perDay = (limitUsd: number) => ({ per: 'all', window: 'day', limitUsd }) as const

function shop({ models, ...options }: Partial<YardOptions> = {}) {
  return yard({
    models: models ?? { first: { answers: answer, price }, second: { answers: answer, price } },
    ledger: 'memory',
    retry: false,
    breaker: false,
    ...options,
  })
}

describeMounts('what a caller asks for beyond reason', (mount) => {
  it.each([
    { n: 10_000, max_tokens: 100 },
    { max_tokens: 2 ** 31 },
    { max_tokens: 1e300 },
    { n: 1e300, max_tokens: 1 },
  ])('is held at what it could cost, and refused: %j (faults, case 68)', async (asked) => {
    const upstream = await upstreamThat(() => {
      throw new Error('asked')
    })
    const router = routerOver([upstream], { model: { price }, budgets: [perDay(10_000 * nanoUsd)] })
    const { status, headers, json } = await send(await mount.serve(router), { body: chat(asked) })
    expect(status).toBe(429)
    expect(headers).toMatchObject({ 'x-should-retry': 'false' })
    expect(json().error).toMatchObject({ type: 'insufficient_quota', code: 'budget_exceeded' })
    expect(upstream.requests).toHaveLength(0)
  })

  it.each([{ n: 10_000 }, { max_tokens: 2 ** 31 }])('is 400 over a policy: %j (case 68)', async (asked) => {
    const upstream = await upstreamThat([])
    const limits = [{ per: 'all', maxChoices: 4, maxOutputTokens: 1_000 }] as const
    const router = routerOver([upstream], { model: { price }, budgets: [perDay(1)], limits })
    const { status, json } = await send(await mount.serve(router), { body: chat(asked) })
    expect(status).toBe(400)
    expect(json().error).toMatchObject({ type: 'invalid_request_error', code: 'limit_exceeded' })
    expect(upstream.requests).toHaveLength(0)
  })

  it.each([{ max_tokens: -5 }, { max_tokens: 'many' }, { n: 'x' }, { n: -3 }, { max_tokens: null }])(
    'is held for as if it said nothing where it makes no sense: %j (case 68)',
    async (asked) => {
      const upstream = await upstreamThat([])
      const router = routerOver([upstream], {
        model: { price },
        budgets: [perDay(16_384 * 10 * nanoUsd)],
        capOutput: false,
      })
      const { status, json } = await send(await mount.serve(router), { body: chat(asked) })
      expect([status, json().error.code]).toEqual([429, 'budget_exceeded'])
      expect(upstream.requests).toHaveLength(0)
    },
  )
})

describeMounts('a price that nobody knows', (mount) => {
  const unheardOf = (options: Partial<RouterOptions>, baseUrl: string) =>
    routerFor({
      models: { odd: modelAt({ baseUrl }, { model: 'never-heard-of' }), known: modelAt({ baseUrl }, { price }) },
      routes: { auto: { models: ['odd'] } },
      ledger: 'memory',
      budgets: [perDay(1)],
      ...options,
    })

  it('is refused with 400 before anything is sent (case 75)', async () => {
    const upstream = await upstreamThat([])
    const { status, json } = await send(await mount.serve(unheardOf({}, upstream.baseUrl)), { body: chat() })
    expect(status).toBe(400)
    expect(json().error).toMatchObject({ type: 'invalid_request_error', code: 'price_unknown' })
    expect(upstream.requests).toHaveLength(0)
  })
})

describe('a budget', () => {
  it('that has room for one more admits exactly one of 50 at once, and tells of it once (case 72)', async () => {
    const { router, call, clock, upstreams } = shop({
      models: { first: { answers: { ...answer, afterMs: 10 }, price } },
      budgets: [perDay(1_000 * nanoUsd)],
    })
    const refusals = vi.fn<(refusal: unknown) => void>()
    router.on('budget.refused', refusals)
    const calls = Array.from({ length: 50 }, () => call({ max_tokens: 60 }))
    await clock.advance(1_000)
    expect(calls.filter(({ state }) => state === 'fulfilled')).toHaveLength(1)
    expect(upstreams['first']!.requests).toHaveLength(1)
    expect(refusals).toHaveBeenCalledOnce()
  })

  it('holds for a user whom nobody has seen, at once and for all calls at once (case 73, LiteLLM #40095)', async () => {
    const { call, clock, upstreams } = shop({
      budgets: [{ per: 'user', window: 'day', limitUsd: 1_000 * nanoUsd }],
    })
    const calls = Array.from({ length: 5 }, () => call({ max_tokens: 60 }, { identity: { user: 'new' } }))
    await clock.advance(1_000)
    expect(calls.filter(({ state }) => state === 'fulfilled')).toHaveLength(1)
    expect(upstreams['first']!.requests).toHaveLength(1)
  })

  it('counts failed attempts, the models after them, and calls that plugins make (case 74, Bifrost #3357)', async () => {
    const failed = { status: 500, body: { error: { message: 'x', type: 'server_error' }, usage } }
    const asks = definePlugin({
      name: 'asks',
      async call(own, next) {
        if (own.parent === undefined) await router.handle({ body: chat(), parent: own.id, identity: own.identity })
        return next(own)
      },
    })
    const { router, call, clock } = shop({
      models: { first: { answers: turns(failed, answer, failed), price }, second: { answers: answer, price } },
      budgets: [perDay(1)],
      plugins: [asks],
    })
    const followed = call()
    await clock.advance(1_000)
    expect(followed.state).toBe('fulfilled')
    const rows = [...router.ledger!.attempts()]
    expect(rows.map(({ model, outcome, costNanoUsd }) => `${model} ${outcome} ${costNanoUsd}`).toSorted()).toEqual([
      `first ok ${cost}`,
      `first upstream_error ${cost}`,
      `second ok ${cost}`,
    ])
    expect(new Set(rows.map(({ callKey }) => callKey)).size).toBe(2)
    expect(await router.budgets()).toMatchObject([{ settledUsd: '0.0000009', heldUsd: '0' }])
  })

  it('and the ledger agree to the nano-dollar, with hedges that lost among the attempts', async () => {
    const { router, call, clock } = shop({
      models: {
        slow: { answers: { ...answer, afterMs: 5_000 }, price },
        quick: { answers: { ...answer, afterMs: 10 }, price },
      },
      budgets: [perDay(1)],
      plugins: [hedge({ afterMs: 100, budget: 1 })],
    })
    const calls = Array.from({ length: 3 }, () => call({ max_tokens: 50 }))
    await clock.advance(10_000)
    expect(calls.map(({ value }) => value?.model)).toEqual(['quick', 'quick', 'quick'])
    const rows = [...router.ledger!.attempts()]
    expect(rows.map(({ outcome }) => outcome).toSorted()).toEqual([
      ...Array(3).fill('cancelled'),
      ...Array(3).fill('ok'),
    ])
    const sum = rows.reduce((total, { costNanoUsd = 0n }) => total + costNanoUsd, 0n)
    const lost = rows.filter(({ outcome }) => outcome === 'cancelled')
    expect(lost.every(({ costNanoUsd = 0n, estimated }) => costNanoUsd > 0n && estimated)).toBe(true)
    expect(await router.budgets()).toMatchObject([
      { settledUsd: usdOf(sum), heldUsd: '0', remainingUsd: usdOf(10n ** 9n - sum) },
    ])
  })

  it('posts a call over midnight to the month of its hold, and never to two (case 79)', async () => {
    const { router, call, clock } = shop({
      models: { first: { answers: { ...answer, afterMs: 20_000 }, price } },
      budgets: [{ per: 'all', window: 'month', limitUsd: 1, alertAt: 100 * nanoUsd }],
    })
    const periods: string[] = []
    router.on('budget.alert', ({ period }) => void periods.push(period))
    clock.jumpWallTime(Date.parse('2026-10-31T23:59:50Z') - clock.wallTime())
    call()
    await clock.advance(20_000)
    expect(periods).toEqual(['2026-10'])
    call()
    await clock.advance(20_000)
    expect(periods).toEqual(['2026-10', '2026-11'])
  })

  it.each([3_600_000, -3_600_000])(
    'that rolls goes by no wall clock: one that jumps by %i ms (case 79)',
    async (jump) => {
      const { call, clock } = shop({
        budgets: [{ per: 'all', window: { rollingMs: 60_000 }, limitUsd: 600 * nanoUsd }],
      })
      const first = call({ max_tokens: 30 })
      await clock.advance(1_000)
      clock.jumpWallTime(jump)
      const second = call({ max_tokens: 30 })
      await clock.advance(1_000)
      expect([first.state, second.error?.code]).toEqual(['fulfilled', 'budget_exceeded'])
      await clock.advance(58_001)
      const third = call({ max_tokens: 30 })
      await clock.advance(1_000)
      expect(third.state).toBe('fulfilled')
    },
  )
})

describe('what peers got wrong', () => {
  it('a budget that holds at the base rate what a tier makes dearer (LiteLLM #40002)', async () => {
    const tiered = { ...price, tiers: [{ aboveInputTokens: 500, input: 0.01, output: 0.1 }] }
    const { call, clock, upstreams } = shop({
      models: { first: { answers: { ...answer, afterMs: 10 }, price: tiered } },
      budgets: [perDay(40_000 * nanoUsd)],
    })
    const long = { max_tokens: 10, messages: [{ role: 'user', content: 'x'.repeat(1_500) }] }
    const calls = Array.from({ length: 5 }, () => call(long))
    await clock.advance(1_000)
    expect(calls.filter(({ state }) => state === 'fulfilled')).toHaveLength(2)
    expect(upstreams['first']!.requests).toHaveLength(2)
  })

  it('a budget that never gives back what was held for calls that failed (LiteLLM #36926, #27735)', async () => {
    const { call, clock, upstreams } = shop({
      models: { first: { answers: refused(503), price } },
      budgets: [perDay(1_000 * nanoUsd)],
    })
    for (let time = 0; time < 50; time++) {
      call({ max_tokens: 60 })
      await clock.advance(100)
    }
    expect(upstreams['first']!.requests).toHaveLength(50)
    upstreams['first']!.respond(answer)
    const last = call({ max_tokens: 60 })
    await clock.advance(100)
    expect(last.state).toBe('fulfilled')
  })

  it('a key that goes on working after its budget is spent (LiteLLM #23714, #26672)', async () => {
    const { call, clock, upstreams } = shop({ budgets: [{ per: 'key', window: 'day', limitUsd: 1_000 * nanoUsd }] })
    const states = []
    for (let time = 0; time < 10; time++) {
      const one = call({ max_tokens: 30 }, { identity: { key: 'k' } })
      await clock.advance(100)
      states.push(one.state)
    }
    expect(states).toEqual([...Array(3).fill('fulfilled'), ...Array(7).fill('rejected')])
    expect(upstreams['first']!.requests).toHaveLength(3)
  })
})
