import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { BudgetSettings } from './money/budget.ts'
import type { Provider } from './providers/provider.ts'
import { plainReply } from './reply.ts'
import { createRouter } from './router.ts'

const fakeClock = () => createFakeClock({ wallTime: Date.parse('2026-11-20T12:00:00Z') })

/** A router whose every call costs one dollar of what it was asked for. */
function setUp(...budgets: readonly BudgetSettings[]) {
  return sharing('memory', fakeClock(), ...budgets)
}

/** One of several routers that count in one store. */
function sharing(store: string, clock: FakeClock, ...budgets: readonly BudgetSettings[]) {
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: (_options, { name }) => ({
      domain: name,
      send: async ({ candidate }) =>
        plainReply({
          status: 200,
          headers: {},
          dialect: 'openai-chat',
          model: candidate.name,
          body: new Uint8Array(0),
          ended: () => ({
            how: 'complete',
            usage: { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1, reasoningTokens: 0 },
            estimated: false,
          }),
        }),
    }),
  }
  const model = { provider, price: { input: 0, output: 1_000_000 } }
  const router = createRouter({
    models: { cheap: model, dear: model },
    routes: {
      auto: { models: ['dear'] },
      bounded: { models: ['cheap'], maxCostUsd: 0.5 },
      constructor: { models: ['dear'] },
    },
    budgets,
    store,
    clock,
  })
  onTestFinished(() => router.close())
  const told: unknown[] = []
  const stopListening = router.on(
    'budget.alert',
    ({ share, bucket, period }) => void told.push([share, bucket, period]),
  )
  router.on(
    'budget.refused',
    ({ bucket, period, remainingUsd }) => void told.push(['refused', bucket, period, remainingUsd]),
  )
  const ask = async (user = 'u', wanted = 'auto') => {
    const reply = await router.handle({ body: { model: wanted, messages: [], max_tokens: 1 }, identity: { user } })
    await clock.settle()
    return reply.model
  }
  return { clock, ask, told, stopListening, router }
}

describe('a treasury', () => {
  it('tells of each share and of a refusal once for each account and period', async () => {
    const { ask, told, clock } = setUp({ per: 'user', window: 'day', limitUsd: 4, alertAt: [0.5, 1] })
    for (let call = 0; call < 4; call++) await ask()
    for (let call = 0; call < 3; call++) await expect(ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    await ask('v')
    expect(told).toEqual([
      [0.5, 'u', '2026-11-20'],
      [1, 'u', '2026-11-20'],
      ['refused', 'u', '2026-11-20', '0'],
    ])
    await clock.advance(86_400_000)
    for (let call = 0; call < 2; call++) await ask()
    expect(told.slice(3)).toEqual([[0.5, 'u', '2026-11-21']])
  })

  it('tells of a rolling budget once for each window in which the share is used', async () => {
    const { ask, told, clock } = setUp({ per: 'user', window: { rollingMs: 60_000 }, limitUsd: 4, alertAt: 0.5 })
    for (let call = 0; call < 4; call++) await ask()
    await expect(ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    await expect(ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    const once = [
      [0.5, 'u', ''],
      ['refused', 'u', '', '0'],
    ]
    expect(told).toEqual(once)
    await clock.advance(59_000)
    await expect(ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    expect(told).toEqual(once)
    await clock.advance(1_001)
    await ask()
    expect(told).toEqual(once)
    for (let call = 0; call < 3; call++) await ask()
    await expect(ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    expect(told).toEqual([...once, ...once])
  })

  it('tells of a long rolling budget again as soon as the store has let the last telling go', async () => {
    const rollingMs = 65_536 * 1_000
    const { ask, told, clock } = setUp({ per: 'all', window: { rollingMs }, limitUsd: 2, alertAt: 0.5 })
    await clock.advance(1)
    await ask()
    await clock.advance(rollingMs + 10)
    await ask()
    expect(told).toHaveLength(1)
    await clock.advance(2_000)
    await ask()
    expect(told).toHaveLength(2)
  })

  it('tells once of what routers share, whichever of them listens and also after a restart', async () => {
    const clock = fakeClock()
    const folder = mkdtempSync(path.join(tmpdir(), 'treasury-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const open = (limitUsd = 4) =>
      sharing(`sqlite:${path.join(folder, 'store')}`, clock, { per: 'all', window: 'day', limitUsd, alertAt: 0.5 })
    const deaf = open()
    deaf.stopListening()
    for (let call = 0; call < 3; call++) await deaf.ask()
    const others = [open(), open()]
    for (const { ask } of [...others.slice(0, 1), ...others, ...others]) {
      await ask().catch(() => undefined)
      await clock.advance(300)
    }
    const all = () => others.flatMap(({ told }) => told)
    const once = [
      [0.5, '', '2026-11-20'],
      ['refused', '', '2026-11-20', '0'],
    ]
    expect(all()).toEqual(once)

    for (const { router } of [deaf, ...others]) await router.close()
    others.push(open())
    await expect(others.at(-1)!.ask()).rejects.toMatchObject({ code: 'budget_exceeded' })
    await clock.settle()
    expect(all()).toEqual(once)

    await others.at(-1)!.router.close()
    others.push(open(10))
    await others.at(-1)!.ask()
    expect(all()).toEqual([...once, once[0]])
  })

  it('tells of a share that routers reached together, each without knowing, before it tells of a refusal', async () => {
    const clock = fakeClock()
    const folder = mkdtempSync(path.join(tmpdir(), 'treasury-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const store = `sqlite:${path.join(folder, 'store')}`
    const open = () => sharing(store, clock, { per: 'all', window: 'day', limitUsd: 100, alertAt: 0.8 })
    const [one, other] = [open(), open()]
    for (let call = 0; call < 41; call++) for (const { ask } of [one, other]) await ask()
    await clock.advance(2_000)
    expect([one.told, other.told]).toEqual([[], []])
    const dear = { body: { model: 'auto', messages: [], max_tokens: 30 } }
    for (let call = 0; call < 2; call++)
      await expect(one.router.handle(dear)).rejects.toMatchObject({ code: 'budget_exceeded' })
    await clock.settle()
    expect(one.told).toEqual([
      [0.8, '', '2026-11-20'],
      ['refused', '', '2026-11-20', '18'],
    ])
  })

  it('finds what routers keep free for a caller whose name was cut in the middle of a character', async () => {
    const clock = fakeClock()
    const folder = mkdtempSync(path.join(tmpdir(), 'treasury-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const store = `sqlite:${path.join(folder, 'store')}`
    const open = () => sharing(store, clock, { per: 'user', window: 'day', limitUsd: 100 })
    const [one, other] = [open(), open()]
    const user = 'ada 🚀'.slice(0, 5)
    for (let call = 0; call < 20; call++) await one.ask(user)
    const all = other.router.handle({ body: { model: 'auto', messages: [], max_tokens: 80 }, identity: { user } })
    const answered = all.then(({ status }) => status)
    await clock.advance(300)
    expect(await answered).toBe(200)
  })

  it('alerts beyond a soft budget and goes on', async () => {
    const { ask, told } = setUp({ per: 'all', window: 'month', limitUsd: 1, soft: true, alertAt: 1 })
    for (let call = 0; call < 3; call++) await ask()
    expect(told).toEqual([[1, '', '2026-11']])
  })

  it('sends calls by another route from a share on, and only those that it names', async () => {
    const { ask, router } = setUp({
      per: 'user',
      window: 'day',
      limitUsd: 10,
      degrade: { at: 0.2, routes: { auto: 'cheap' } },
    })
    expect(await ask()).toBe('dear')
    expect(await ask()).toBe('dear')
    expect(await ask()).toBe('cheap')
    const { candidates, facts } = await router.explain({
      body: { model: 'auto', messages: [] },
      identity: { user: 'u' },
    })
    expect(candidates.map(({ name }) => name)).toEqual(['cheap'])
    expect(facts).toMatchObject({ route: 'cheap' })
    expect(await ask('u', 'dear')).toBe('dear')
    expect(await ask('u', 'constructor')).toBe('dear')
    expect(await ask('v')).toBe('dear')
  })

  it('leaves a call where it is whose caller may use no model of the other route', async () => {
    const degrade = { at: 0.1, routes: { auto: 'cheap' } }
    const { ask, router } = setUp({ per: 'all', window: 'day', limitUsd: 3, degrade })
    expect([await ask(), await ask()]).toEqual(['dear', 'cheap'])
    const pinned = { body: { model: 'auto', messages: [], max_tokens: 1 }, identity: { models: ['dear'] } }
    expect((await router.handle(pinned)).model).toBe('dear')
    await expect(router.handle(pinned)).rejects.toMatchObject({ code: 'budget_exceeded' })
  })

  it('holds a call to what the route may cost that it is sent by', async () => {
    const { ask } = setUp({
      per: 'all',
      window: 'day',
      limitUsd: 10,
      degrade: { at: 0.1, routes: { auto: 'bounded' } },
    })
    expect(await ask()).toBe('dear')
    await expect(ask()).rejects.toMatchObject({ code: 'max_cost_exceeded' })
  })

  it('says how budgets of routes and models stand only where one is named', async () => {
    const budget = { window: 'day', limitUsd: 10 } as const
    const { ask, router } = setUp({ ...budget, per: 'model' }, { ...budget, per: 'route' }, { ...budget, per: 'user' })
    await ask()
    const read = async (query: object) =>
      (await router.budgets({ identity: { user: 'u' }, ...query })).map(({ per, bucket, settledUsd }) => [
        per,
        bucket,
        settledUsd,
      ])
    expect(await read({})).toEqual([['user', 'u', '1']])
    expect(await read({ model: 'dear' })).toEqual([
      ['model', 'dear', '1'],
      ['user', 'u', '1'],
    ])
    expect(await read({ model: 'cheap', route: 'auto' })).toEqual([
      ['model', 'cheap', '0'],
      ['route', 'auto', '1'],
      ['user', 'u', '1'],
    ])
  })
})
