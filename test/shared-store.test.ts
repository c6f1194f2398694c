import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ModelOptions, type Router, type RouterOptions, createRouter, loadConfig } from '@signalbox/core'
import { completion, createFakeClock } from '@signalbox/testkit'
import { send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, modelAt, routerFor, upstreamThat } from './support/routers.ts'
import { temporaryFolder } from './support/processes.ts'

/** Every completion costs 5 dollars: one token of output; the input is free. */
const price = { input: 0, output: 5_000_000 }
const usage = { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 }
const oneToken = { model: 'a', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }
const month = { per: 'all', window: 'month' } as const

function folderForTest(): string {
  const { folder, remove } = temporaryFolder()
  onTestFinished(remove)
  return folder
}

/** Routers that share a store, as those of the processes of a host do. */
async function routersOn(count: number, options: Partial<RouterOptions>, model: Partial<ModelOptions> = {}) {
  const upstream = await upstreamThat(completion({ content: 'ok', usage }))
  const file = join(folderForTest(), 'store.db')
  const models = { a: modelAt(upstream, { price, ...model }) }
  const make = (more: Partial<RouterOptions> = {}) =>
    routerFor({ models, store: `sqlite:${file}`, ...options, ...more })
  return { upstream, file, make, routers: Array.from({ length: count }, () => make()) }
}

/** What became of a call. */
async function outcomeOf(router: Router): Promise<string> {
  try {
    const reply = await router.handle({ body: oneToken })
    await reply.ended
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function outcomesOf(routers: readonly Router[], calls: number): Promise<Record<string, number>> {
  const all = Array.from({ length: calls }, (_, call) => outcomeOf(routers[call % routers.length]!))
  const counts: Record<string, number> = {}
  for (const outcome of await Promise.all(all)) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

const codes: Record<number, string> = { 429: 'budget_exceeded', 503: 'ledger_unavailable' }

/** In this time a process has renewed its lease, and knows who else there is. */
const lookAroundMs = 3_000

/** Takes what is counted away from under a store, and gives it back. */
function breakStore(file: string): () => void {
  const execute = (sql: string) => {
    const database = new DatabaseSync(file, { timeout: 1_000 })
    database.exec(sql)
    database.close()
  }
  execute('ALTER TABLE counters RENAME TO hidden')
  return () => execute('ALTER TABLE hidden RENAME TO counters')
}

describe('routers that share a store', () => {
  it('admit together exactly what a budget pays for', async () => {
    const { routers, upstream } = await routersOn(3, { budgets: [{ ...month, limitUsd: 36 }] })
    expect(await outcomesOf(routers, 30)).toEqual({ ok: 7, budget_exceeded: 23 })
    expect(upstream.requests).toHaveLength(7)
  })

  it('keep together to a limit for callers', async () => {
    const { routers } = await routersOn(3, { limits: [{ per: 'all', requestsPerMinute: 7 }] })
    expect(await outcomesOf(routers, 30)).toEqual({ ok: 7, rate_limit_exceeded: 23 })
  })

  it('keep together to the limit of a model', async () => {
    const { routers, upstream } = await routersOn(
      3,
      { timeouts: { callMs: 500 } },
      { limits: { requestsPerMinute: 7 } },
    )
    expect(await outcomesOf(routers, 30)).toMatchObject({ ok: 7 })
    expect(upstream.requests).toHaveLength(7)
  })

  it('remember what was spent when they are started anew, and leave nothing behind that is open', async () => {
    const { make, file } = await routersOn(0, { budgets: [{ ...month, limitUsd: 10 }] })
    for (const expected of ['ok', 'ok', 'budget_exceeded']) {
      const router = make()
      expect(await outcomeOf(router)).toBe(expected)
      await router.close()
      expect(readdirSync(dirname(file))).toEqual(['store.db'])
    }
  })

  it('tell of a budget once among them', async () => {
    const { routers } = await routersOn(2, { budgets: [{ ...month, limitUsd: 50, alertAt: 0.5 }] })
    let told = 0
    for (const router of routers) router.on('budget.alert', () => void (told += 1))
    await outcomesOf(routers, 10)
    await eventually(() => told > 0)
    expect(told).toBe(1)
  })

  it('keep counts apart when a budget is put before another', async () => {
    const user = { per: 'user', window: 'day', limitUsd: 5 } as const
    const { routers, make } = await routersOn(1, { budgets: [{ ...month, limitUsd: 10 }] })
    expect(await outcomesOf(routers, 1)).toEqual({ ok: 1 })
    const changed = make({ budgets: [user, { ...month, limitUsd: 10 }] })
    expect([await outcomeOf(changed), await outcomeOf(changed)]).toEqual(['ok', 'budget_exceeded'])
  })
})

describeMounts('a store that is down', (mount) => {
  it.each([
    { whenStoreDown: undefined, answers: [503, 503, 503] },
    { whenStoreDown: 'closed' as const, answers: [503, 503, 503] },
    { whenStoreDown: 'open' as const, answers: [200, 200, 200] },
    { whenStoreDown: 'share' as const, answers: [200, 200, 429] },
  ])('makes a budget answer $answers where it says $whenStoreDown', async ({ whenStoreDown, answers }) => {
    const clock = createFakeClock()
    const { routers, file } = await routersOn(2, { budgets: [{ ...month, limitUsd: 25, whenStoreDown }], clock })
    for (const router of routers) expect(await outcomeOf(router)).toBe('ok')
    clock.advanceSync(lookAroundMs)
    for (const router of routers) expect(await outcomeOf(router)).toBe('ok')
    const [first] = routers as [Router]
    const told: boolean[] = []
    first.on('store.changed', ({ isUp }) => void told.push(isUp))
    const to = await mount.serve(first, { authorise: () => true })
    const repair = breakStore(file)
    const statuses = [await send(to, { body: oneToken })]
    for (let call = 1; call < 3; call++) statuses.push(await send(to, { body: oneToken }))
    expect(statuses.map(({ status }) => status)).toEqual(answers)
    expect(statuses.map((answer) => answer.json().error?.code)).toEqual(answers.map((status) => codes[status]))
    expect(statuses[0]!.text).not.toContain('counters')
    const { store, budgets } = (await send(to, { method: 'GET', path: '/status' })).json()
    expect(store).toEqual({ scope: 'host', up: false })
    expect(budgets).toEqual([
      {
        ...month,
        limitUsd: 25,
        soft: false,
        scope: 'host',
        whenStoreDown: whenStoreDown ?? 'closed',
      },
    ])
    expect(told).toEqual([false])
    repair()
  })

  it('is gone back to when it can be reached again', async () => {
    const clock = createFakeClock()
    const limits = [{ per: 'all', requestsPerMinute: 4 }] as const
    const { routers, file } = await routersOn(1, { limits, clock })
    const to = await mount.serve(routers[0]!)
    const repair = breakStore(file)
    const statuses = [await send(to, { body: oneToken })]
    repair()
    clock.advanceSync(1_000)
    for (let call = 0; call < 5; call++) statuses.push(await send(to, { body: oneToken }))
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429, 429])
  })
})

describe('the place of a store', () => {
  const models = { a: modelAt({ baseUrl: 'http://127.0.0.1:1/v1' }) }
  const messageOf = (options: Partial<RouterOptions>) => {
    try {
      createRouter({ models, ...options })
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }

  it.each([
    ['redis://cache:6379', 'store: expected "memory" or "sqlite:" and a file (Redis comes with @signalbox/redis'],
    ['mysql://db/limits', 'store: expected "memory" or "sqlite:" and a file, or false, got "mysql://db/limits"'],
    ['sqlite:', 'store: expected "memory" or "sqlite:" and a file, or false, got "sqlite:"'],
    ['limits.db', 'store: expected "memory" or "sqlite:" and a file, or false, got "limits.db"'],
    [
      'sqlite:/nowhere/store.db',
      'The store /nowhere/store.db cannot be opened for writing: there is no folder /nowhere',
    ],
  ])('is refused at start: %s', (store, message) => {
    expect(messageOf({ store })).toContain(message)
  })

  it('is refused where it is the ledger too, or another file', () => {
    const file = join(folderForTest(), 'signalbox.db')
    expect(messageOf({ store: `sqlite:${file}`, ledger: file })).toContain(
      "store: expected another file than the ledger's",
    )
    writeFileSync(file, 'some text that is no database, and longer than the head of one'.repeat(5))
    expect(messageOf({ store: `sqlite:${file}` })).toContain('cannot be opened for writing: file is not a database')
  })

  it('is taken from the folder of the configuration file', async () => {
    const folder = folderForTest()
    const config = join(folder, 'signalbox.json')
    writeFileSync(config, JSON.stringify({ models: { a: { ...models.a, apiKey: 'k' } }, store: 'sqlite:store.db' }))
    routerFor(await loadConfig(config))
    expect(readdirSync(folder)).toContain('store.db')
  })
})
