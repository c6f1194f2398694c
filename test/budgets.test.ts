import fs from 'node:fs'
import type { IncomingMessage } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { type Identity, type RouterOptions, budgetGuard, definePlugin, usdOf } from '@signalbox/core'
import { completion, createFakeClock, jsonError } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { type Mount, describeMounts } from './support/mounts.ts'
import { eventually, modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

/** 1 nano-USD for a token of input, 10 for one of output. */
const price = { input: 0.001, output: 0.01 }
const nanoUsd = 1e-9
const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
const answer = completion({ content: 'hello', usage })

/** What pays for one call of 20 tokens, and not for a second one. */
const forOne = 500 * nanoUsd

const identify = ({ headers: { 'x-identity': told = '{}' } }: IncomingMessage) =>
  JSON.parse([told].flat().join('')) as Identity

/** Asks as somebody. */
const asking =
  (to: Awaited<ReturnType<Mount['serve']>>) =>
  (identity: Identity = {}, body: object = {}) =>
    send(to, { body: chat({ max_tokens: 20, ...body }), headers: { 'x-identity': JSON.stringify(identity) } })

describeMounts('a budget', (mount) => {
  const u = { user: 'u' }
  it.each<{
    per: 'all' | 'key' | 'user' | 'team' | 'tag' | 'route' | 'model'
    one: Identity
    same: Identity
    other?: Identity
    elsewhere?: object
  }>([
    { per: 'all', one: u, same: { user: 'v' } },
    { per: 'key', one: { key: 'k', ...u }, same: { key: 'k', user: 'v' }, other: { key: 'l', ...u } },
    { per: 'user', one: u, same: { key: 'k', ...u }, other: { user: 'v' } },
    { per: 'team', one: { team: 't', ...u }, same: { team: 't' }, other: { team: 's', ...u } },
    { per: 'tag', one: { tags: ['x', 'y'], ...u }, same: { tags: ['y', 'z'] }, other: { tags: ['z'], ...u } },
    { per: 'route', one: u, same: { user: 'v' }, elsewhere: { model: 'other' } },
    { per: 'model', one: u, same: { user: 'v' }, elsewhere: { model: 'second' } },
  ])('per $per counts what goes by one name, and nothing else', async ({ per, one, same, other, elsewhere }) => {
    const upstream = await upstreamThat(answer)
    const models = { first: modelAt(upstream, { price }), second: modelAt(upstream, { price }) }
    const routes = { auto: { models: ['first'] }, other: { models: ['first'] } }
    const router = routerFor({ models, routes, budgets: [{ per, window: 'day', limitUsd: forOne }] })
    const ask = asking(await mount.serve(router, { identify }))

    expect((await ask(one)).status).toBe(200)
    const refused = await ask(same)
    const spared = (other ?? elsewhere) ? [await ask(other ?? one, elsewhere)] : []

    expect(refused.status).toBe(429)
    expect(refused.headers['x-should-retry']).toBe('false')
    expect(refused.json().error).toMatchObject({ type: 'insufficient_quota', code: 'budget_exceeded' })
    expect(refused.json().error.message).toContain(`leaves ${usdOf(200)} USD`)
    expect(spared.map(({ status }) => status)).toEqual(spared.map(() => 200))
    expect(upstream.requests).toHaveLength(1 + spared.length)
  })

  it('of a day begins anew at midnight in its time zone', async () => {
    const clock = createFakeClock({ wallTime: Date.parse('2026-11-20T14:59:00Z') })
    const router = routerOver([await upstreamThat(answer)], {
      model: { price },
      budgets: [{ per: 'all', window: 'day', timeZone: 'Asia/Tokyo', limitUsd: forOne }],
      clock,
    })
    const ask = asking(await mount.serve(router))

    const statuses = [(await ask()).status, (await ask()).status]
    clock.jumpWallTime(60_000)
    statuses.push((await ask()).status)

    expect(statuses).toEqual([200, 429, 200])
    expect(await router.budgets()).toMatchObject([{ period: '2026-11-21' }])
  })
})

describeMounts('a ledger that cannot be written', (mount) => {
  const day = { per: 'all', window: 'day', limitUsd: forOne } as const
  const counting = budgetGuard('counting', { hold: () => undefined })
  const countingFirst = budgetGuard('counting', { hold: () => undefined }, { enforce: 'pre' })

  it.each<{ of: string; options: Partial<RouterOptions>; status: 200 | 503 }>([
    { of: 'a budget', options: { budgets: [day] }, status: 503 },
    { of: 'an open budget', options: { budgets: [{ ...day, whenStoreDown: 'open' }] }, status: 200 },
    { of: 'a soft budget', options: { budgets: [{ ...day, soft: true }] }, status: 200 },
    { of: 'a soft budget and a hard one', options: { budgets: [{ ...day, soft: true }, day] }, status: 503 },
    { of: "a plugin's guard", options: { plugins: [counting] }, status: 503 },
    {
      of: "a soft budget and a plugin's guard",
      options: { budgets: [{ ...day, soft: true }], plugins: [counting] },
      status: 503,
    },
    {
      of: "a plugin's guard and a soft budget",
      options: { budgets: [{ ...day, soft: true }], plugins: [countingFirst] },
      status: 503,
    },
    { of: 'nobody', options: {}, status: 200 },
  ])('answers $status to what is counted by $of, and tells of it (case 77)', async ({ options, status }) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'budgets-'))
    onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
    const upstream = await upstreamThat(answer)
    const ledger = path.join(folder, 'ledger.db')
    const router = routerOver([upstream], { model: { price }, ledger, ...options })
    const failures = vi.fn<(failure: unknown) => void>()
    router.on('ledger.failed', failures)
    const ask = asking(await mount.serve(router))
    const write = vi.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw new Error('ENOSPC: no space left on device')
    })
    onTestFinished(() => write.mockRestore())

    const answered = await ask()

    expect([answered.status, upstream.requests.length]).toEqual([status, status === 200 ? 1 : 0])
    const error = expect.objectContaining({ message: expect.stringContaining('ENOSPC') })
    expect(failures).toHaveBeenCalledWith({ error })
    if (status === 200) return
    expect(answered.headers).toMatchObject({ 'retry-after': '1', 'retry-after-ms': '1000' })
    const message = 'What calls cost cannot be written down at the moment'
    expect(answered.json()).toEqual({
      error: { message, type: 'service_unavailable', code: 'ledger_unavailable', param: null },
    })
  })
})

describeMounts('the most a call may cost', (mount) => {
  it.each<{ of: string; options?: Partial<RouterOptions>; identity?: Identity }>([
    { of: 'a route', options: { routes: { auto: { models: ['first'], maxCostUsd: 100 * nanoUsd } } } },
    { of: 'an identity', identity: { user: 'u', maxCostUsd: 100 * nanoUsd } },
  ])('by word of $of is a 400 that no client repeats, and nothing is sent', async ({ options, identity }) => {
    const upstream = await upstreamThat(answer)
    const router = routerOver([upstream], { model: { price }, ...options })

    const refused = await asking(await mount.serve(router, { identify }))(identity)

    expect(refused.status).toBe(400)
    expect(refused.headers['x-should-retry']).toBe('false')
    expect(refused.json().error).toMatchObject({ type: 'invalid_request_error', code: 'max_cost_exceeded' })
    expect(upstream.requests).toHaveLength(0)
  })
})

describeMounts("the most a call may cost, by its caller's own word", (mount) => {
  const bounded = async (maxCost: string, options: Partial<RouterOptions>) => {
    const upstream = await upstreamThat(answer)
    const router = routerOver([upstream], { model: { price }, ...options })
    const body = chat({ max_tokens: 20 })
    const answered = await send(await mount.serve(router), { body, headers: { 'x-signalbox-max-cost': maxCost } })
    return { answered, sent: upstream.requests.length }
  }
  const allowed = { maxCostHeader: true }
  const refused = { type: 'invalid_request_error', code: 'max_cost_exceeded' }
  const wrong = { type: 'invalid_request_error', code: 'invalid_body', param: 'x-signalbox-max-cost' }

  it.each([
    { maxCost: '0.0000001', options: allowed, status: 400, error: refused },
    { maxCost: '0', options: allowed, status: 400, error: refused },
    { maxCost: '.01', options: allowed, status: 200 },
    {
      maxCost: '1',
      options: { ...allowed, routes: { auto: { models: ['first'], maxCostUsd: 100 * nanoUsd } } },
      status: 400,
      error: refused,
    },
    { maxCost: '1', options: {}, status: 400, error: wrong },
    ...['-1', '', 'free', '1e999', 'NaN', '1,5', '0x10'].map((maxCost) => ({
      maxCost,
      options: allowed,
      status: 400,
      error: wrong,
    })),
  ])('is "$maxCost" where the router has $options: $status', async ({ maxCost, options, status, error }) => {
    const { answered, sent } = await bounded(maxCost, options)
    expect([answered.status, sent]).toEqual([status, status === 200 ? 1 : 0])
    expect(answered.json()).toMatchObject(error ? { error } : { object: 'chat.completion' })
  })
})

describeMounts('a price that nobody knows', (mount) => {
  it.each([
    { unknownPrice: 'reject' as const, status: 400, cost: undefined },
    { unknownPrice: 'highest-known' as const, status: 200, cost: 300n },
    { unknownPrice: 'free' as const, status: 200, cost: 0n },
  ])('is what the configuration makes of it: $unknownPrice', async ({ unknownPrice, status, cost }) => {
    const upstream = await upstreamThat(answer)
    const router = routerFor({
      models: { odd: modelAt(upstream, { model: 'never-heard-of' }), known: modelAt(upstream, { price }) },
      routes: { auto: { models: ['odd'] } },
      ledger: 'memory',
      unknownPrice,
    })

    const answered = await asking(await mount.serve(router))()

    expect(answered.status).toBe(status)
    await eventually(() => [...router.ledger!.calls()].length > 0)
    expect([...router.ledger!.attempts()].map(({ costNanoUsd }) => costNanoUsd)).toEqual(status === 200 ? [cost] : [])
  })
})

describeMounts('the ledger', (mount) => {
  it('has of a call who made it, what it cost at which prices, how long it took and what failed before', async () => {
    const clock = createFakeClock()
    const slow = definePlugin({
      name: 'slow',
      attempt: {
        stage: 'meter',
        enforce: 'post',
        run: async (attempt, next) => {
          const reply = await next(attempt)
          await clock.advance(40)
          return reply
        },
      },
    })
    const router = routerOver([await upstreamThat(jsonError(500)), await upstreamThat(answer)], {
      model: { price },
      retry: false,
      ledger: 'memory',
      plugins: [slow],
      clock,
    })
    const identity = { key: 'k', user: 'u', team: 't', tags: ['x', 'y'] }

    expect((await asking(await mount.serve(router, { identify }))(identity)).status).toBe(200)

    await eventually(() => [...router.ledger!.calls()].length > 0)
    const { attempts, calls } = { attempts: [...router.ledger!.attempts()], calls: [...router.ledger!.calls()] }
    expect(attempts).toMatchObject([
      { place: 0, identity, route: 'auto', model: 'first', outcome: 'upstream_error', status: 500, costNanoUsd: 0n },
      {
        place: 1,
        identity,
        route: 'auto',
        model: 'second',
        provider: 'openai-compatible',
        outcome: 'ok',
        status: 200,
        inputTokens: 100,
        outputTokens: 20,
        costNanoUsd: 300n,
        estimated: false,
        prices: { input: 1_000, cachedInput: 1_000, cacheWrite: 1_000, output: 10_000, reasoning: 10_000 },
        priceSource: 'configuration',
      },
    ])
    expect(attempts[1]!.latencyMs).toBe(40)
    expect(attempts[1]!.firstTokenMs).toBe(40)
    expect(calls).toMatchObject([{ identity, route: 'auto', model: 'second', outcome: 'ok', failovers: 1 }])
  })
})
