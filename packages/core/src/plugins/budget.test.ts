import {
  type FakeClock,
  type ProgrammableUpstream,
  completion,
  createFakeClock,
  inTurn,
  jsonError,
  refusedPort,
  startProgrammableUpstream,
  step,
} from '@signalbox/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import type { RouterEvents } from '../events.ts'
import type { Plugin, PluginServices } from '../plugin.ts'
import { budgetGuard } from '../lifts.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply } from '../reply.ts'
import type { CallerBudget, Ended, Identity, Reply } from '../types.ts'
import { createRouter } from '../router.ts'

let upstream: ProgrammableUpstream
let clock: FakeClock
const closers: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  upstream = await startProgrammableUpstream()
  upstream.respond(completion({ content: 'hello' }))
  clock = createFakeClock()
})

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await upstream.close()
})

/** 1 nano-USD for a token of input, 10 for one of output. */
const price = { input: 0.001, output: 0.01 }
const nanoUsd = 1e-9

const model = () => ({ provider: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey: 'k', price }) as const

function setUp(options: Partial<RouterOptions> = {}) {
  const router = createRouter({
    models: { a: model(), b: model() },
    routes: { auto: { models: ['a', 'b'] } },
    ledger: 'memory',
    breaker: false,
    health: false,
    clock,
    ...options,
  })
  closers.push(() => router.close())
  const told: { [E in keyof RouterEvents]?: RouterEvents[E][] } = {}
  for (const event of ['budget.alert', 'budget.refused', 'ledger.failed'] as const)
    router.on(event, (payload) => void ((told[event] ??= []) as unknown[]).push(payload))
  const ask = (body: object = {}, init: { identity?: Identity; maxCostUsd?: number } = {}) =>
    router.handle({
      body: { model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50, ...body },
      ...init,
    })
  return { router, ask, told }
}

const sent = () => upstream.requests.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>)
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await clock.settle()
}
const day = { per: 'all', window: 'day' } as const

describe('a budget', () => {
  it('admits exactly the calls it has room for, however many come at once, and tells of the refusal once', async () => {
    let release: (() => void) | undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    upstream.respond([step('held', () => held), completion({ content: 'hello' })])
    const { ask, told, router } = setUp({ budgets: [{ ...day, limitUsd: 1_999 * nanoUsd }] })
    const bytes = JSON.stringify({ model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 }).length
    const room = Math.floor(1_999 / (bytes + 1 + 500))
    const calls = Array.from({ length: 50 }, () =>
      ask().then(
        (reply) => reply.status,
        (error: unknown) => error,
      ),
    )
    await settle()
    release!()
    const answers = await Promise.all(calls)
    expect(answers.filter((answer) => answer === 200)).toHaveLength(room)
    const refusals = answers.filter((answer) => answer !== 200)
    expect(refusals).toHaveLength(50 - room)
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'budget_exceeded', retryable: false })
    expect(upstream.requests).toHaveLength(room)
    expect(told['budget.refused']).toHaveLength(1)
    expect([...router.ledger!.attempts()].map(({ costNanoUsd }) => costNanoUsd)).toEqual(Array(room).fill(60n))
  })

  it('answers 429 insufficient_quota with what remains, and tells clients not to come again', async () => {
    const { router } = setUp({ budgets: [{ per: 'user', window: 'day', limitUsd: 10 * nanoUsd }] })
    const answer = await router.as({ user: 'new' }).fetch('http://x/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ model: 'a', messages: [], max_tokens: 50 }),
    })
    expect(answer.status).toBe(429)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(await answer.json()).toMatchObject({
      error: {
        type: 'insufficient_quota',
        code: 'budget_exceeded',
        message: expect.stringContaining('0.00000001 USD'),
      },
    })
    expect(upstream.requests).toHaveLength(0)
  })

  it('moves to the next model where it is the budget of a model', async () => {
    const { ask } = setUp({ budgets: [{ per: 'model', window: 'day', limitUsd: 600 * nanoUsd }] })
    await ask()
    expect((await ask({ model: 'auto' })).model).toBe('b')
  })

  it('ends the call where it is the budget of a user', async () => {
    const { ask } = setUp({ budgets: [{ per: 'user', window: 'day', limitUsd: 600 * nanoUsd }] })
    await ask()
    await expect(ask({ model: 'auto' })).rejects.toMatchObject({ code: 'budget_exceeded' })
    expect(upstream.requests).toHaveLength(1)
  })

  it('limits the output of a request that sets no limit, to what it can still pay, and of no other', async () => {
    const { ask } = setUp({ budgets: [{ ...day, limitUsd: 2_000 * nanoUsd }] })
    await ask({ max_tokens: undefined })
    await ask({ max_tokens: 20 })
    await ask({ max_tokens: undefined, n: 3 })
    const [first, second, third] = sent()
    const limit = Number(first!['max_tokens'])
    expect(limit).toBeGreaterThan(100)
    expect(limit).toBeLessThan(200)
    expect(second!['max_tokens']).toBe(20)
    expect(Number(third!['max_tokens'])).toBeLessThan(limit / 2)
    await expect(
      setUp({ capOutput: false, budgets: [{ ...day, limitUsd: 2_000 * nanoUsd }] }).ask({ max_tokens: undefined }),
    ).rejects.toMatchObject({ code: 'budget_exceeded' })
  })

  it('limits the output to what the tightest of many budgets pays for, in whatever order they stand', async () => {
    const scopes = ['all', 'team', 'key', 'route', 'user', 'tag', 'model'] as const
    const budgets = scopes.map(
      (per, index) => ({ per, window: 'day', limitUsd: (5_000 - 500 * index) * nanoUsd }) as const,
    )
    const { ask } = setUp({ budgets })
    await ask({ max_tokens: undefined })
    expect(Number(sent()[0]!['max_tokens'])).toBeGreaterThan(100)
  })

  it('limits the output to what it pays for also where a guard stands outside of it, and never what a caller limits', async () => {
    const guard = budgetGuard('guard', { hold: () => undefined }, { enforce: 'pre' })
    const { ask } = setUp({ budgets: [{ ...day, limitUsd: 2_000 * nanoUsd }], plugins: [guard] })
    await ask({ max_tokens: undefined })
    expect(Number(sent()[0]!['max_tokens'])).toBeGreaterThan(100)
    expect(Number(sent()[0]!['max_tokens'])).toBeLessThan(200)
    await expect(ask({ max_tokens: 16_384 })).rejects.toMatchObject({ code: 'budget_exceeded' })
  })

  it('takes a limit below 1 for none, and the largest of two limits', async () => {
    const { ask } = setUp({ budgets: [{ ...day, limitUsd: 2_000 * nanoUsd }] })
    await ask({ max_tokens: -1 })
    expect(Number(sent()[0]!['max_tokens'])).toBeGreaterThan(16)
    await expect(ask({ max_completion_tokens: 1, max_tokens: 1_000 })).rejects.toMatchObject({
      code: 'budget_exceeded',
    })
    for (const huge of [2 ** 31, 1e300]) {
      await expect(ask({ max_tokens: huge })).rejects.toMatchObject({ code: 'budget_exceeded' })
      await expect(ask({ n: huge })).rejects.toMatchObject({ code: 'budget_exceeded' })
    }
  })

  it.each([
    ['a key', [{ key: 'k', user: 'a' }, { user: 'b' }, { user: 'c' }]],
    ['none', [{ user: 'b' }, { key: 'k', user: 'a' }, { key: 'l', user: 'a' }]],
  ])(
    'counts each caller by itself where many have one list of budgets, and the first has %s',
    async (_first, callers) => {
      const { ask } = setUp()
      const budgets = [{ window: 'day', limitUsd: 600 * nanoUsd }] as const
      for (const caller of callers) expect((await ask({}, { identity: { ...caller, budgets } })).status).toBe(200)
      for (const caller of callers)
        await expect(ask({}, { identity: { ...caller, budgets } })).rejects.toMatchObject({ code: 'budget_exceeded' })
    },
  )

  it.each([
    { window: { rollingMs: 0 } },
    { window: { rollingMs: -1 } },
    { window: { rollingMs: Number.NaN } },
    { window: 'fortnight' as 'day' },
    { limitUsd: Number.NaN },
    { limitUsd: -0.5 },
    { timeZone: 'Moon/Sea' },
  ])('sends nothing for a caller whose own budget makes no sense, such as one that never binds: %o', async (wrong) => {
    const { ask } = setUp()
    const identity = { user: 'u', budgets: [{ window: 'day' as const, limitUsd: 1, ...wrong }] }
    await expect(ask({}, { identity })).rejects.toMatchObject({ code: 'internal_error' })
    expect(upstream.requests).toHaveLength(0)
  })

  it('asks no price for a caller with an empty list of own budgets', async () => {
    const { price: _price, ...unpriced } = model()
    const { ask } = setUp({ models: { a: unpriced }, routes: {} })
    const asks = (budgets: CallerBudget[]) => ask({}, { identity: { user: 'u', budgets } })
    expect((await asks([])).status).toBe(200)
    await expect(asks([{ window: 'day', limitUsd: 1 }])).rejects.toMatchObject({ code: 'price_unknown' })
  })

  it('flags what cost more than was held for it, in the record and the ledger', async () => {
    upstream.respond(completion({ content: 'x', usage: { prompt_tokens: 10, completion_tokens: 500 } }))
    const { ask, router } = setUp({ budgets: [{ ...day, limitUsd: 1 }] })
    await ask()
    await settle()
    expect([...router.ledger!.attempts()]).toMatchObject([{ costNanoUsd: 5_010n, overrun: true }])
  })

  it('holds and settles for every attempt, and holds nothing in the end', async () => {
    upstream.respond(
      inTurn(
        jsonError(500),
        jsonError(500),
        completion({ content: 'x', usage: { prompt_tokens: 10, completion_tokens: 5 } }),
      ),
    )
    const { ask, router, told } = setUp({ budgets: [{ ...day, limitUsd: 700 * nanoUsd, alertAt: [0.05, 0.1, 0.9] }] })
    const answer = ask({ model: 'auto' })
    for (let turn = 0; turn < 40; turn++) await clock.advance(500)
    await answer
    await settle()
    const attempts = [...router.ledger!.attempts()]
    expect(attempts.map(({ costNanoUsd }) => costNanoUsd).reduce((sum, cost) => sum! + cost!, 0n)).toBe(60n)
    for (let call = 0; call < 2; call++) await ask()
    await settle()
    expect(told['budget.alert']).toMatchObject([
      { share: 0.05, settledUsd: '0.00000006', heldUsd: '0' },
      { share: 0.1, settledUsd: '0.00000012', heldUsd: '0' },
    ])
    expect(told['ledger.failed']).toBeUndefined()
  })

  it.each([
    { output: 16_384, held: 163_840 },
    { body: { n: 2 }, output: 16_384, held: 327_680 },
    { body: { max_tokens: 50 }, output: 50, held: 500 },
    { options: { budgets: [{ ...day, limitUsd: 1 }] }, output: 16_384, held: 163_840 },
    { known: { maxOutputTokens: 100 }, output: undefined, held: 1_000 },
    { options: { capOutput: false }, output: undefined, held: 163_840 },
  ])('tells a guard the most that is then sent for: %j', async ({ body, options, known, output, held }) => {
    const bounds: unknown[] = []
    const guard = budgetGuard('guard', { hold: (_attempt, bound) => void bounds.push(bound) })
    const a = { ...model(), price: { input: 0, output: 0.01 }, ...known }
    const { ask } = setUp({ models: { a }, routes: {}, plugins: [guard], ...options })
    await ask({ max_tokens: undefined, ...body })
    expect(bounds).toEqual([held])
    expect((upstream.requests[0]!.json() as { max_tokens?: number }).max_tokens).toBe(output)
  })

  it('settles all that a plugin inside has sent in place of one attempt, also what ends after the answer', async () => {
    const told: (number | undefined)[] = []
    const hear = (_hold: unknown, cost: number | undefined) => void told.push(cost)
    const guards = (['pre', 'post'] as const).map((enforce) =>
      budgetGuard(`guard ${enforce}`, { hold: () => undefined, settle: hear }, { enforce }),
    )
    const both: Plugin = {
      name: 'both',
      attempt: {
        stage: 'breaker',
        async run(attempt, next) {
          const [, kept] = await Promise.all([next(attempt), next(attempt)])
          return kept
        },
      },
    }
    let sends = 0
    const usage = { ...noUsage, inputTokens: 1_000 }
    const send = async (): Promise<Reply> => {
      const lateMs = sends++ === 0 ? 1_000 : 0
      const ended = new Promise<Ended>((resolve) => {
        clock.setTimeout(() => resolve({ how: 'complete', usage, estimated: false }), lateMs)
      })
      const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
      return { ...plainReply({ ...head, body: Buffer.from('ok') }), ended }
    }
    const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send }) }
    const { router, ask } = setUp({
      models: { a: { provider, price } },
      routes: {},
      budgets: [{ ...day, limitUsd: 1 }],
      plugins: [both, ...guards],
    })
    await ask()
    await clock.advance(999)
    expect(await router.budgets()).toMatchObject([{ settledUsd: '0' }])
    await clock.advance(1)
    await settle()
    expect([...router.ledger!.attempts()].map(({ costNanoUsd }) => costNanoUsd)).toEqual([1_000n, 1_000n])
    expect(await router.budgets()).toMatchObject([{ settledUsd: '0.000002', heldUsd: '0' }])
    expect(told).toEqual([2_000, 2_000])
  })

  it('lets a call wait for a limit that is reached', async () => {
    const { ask } = setUp({
      models: { a: { ...model(), limits: { requestsPerMinute: 1 } } },
      routes: {},
      budgets: [{ ...day, limitUsd: 1 }],
    })
    await ask()
    const second = ask()
    for (let turn = 0; turn < 70; turn++) await clock.advance(1_000)
    expect((await second).status).toBe(200)
  })

  it('costs nothing for what was refused or never sent', async () => {
    const options = { budgets: [{ ...day, limitUsd: 1 }], retry: { maxAttempts: 1 } }
    for (const status of [429, 503]) {
      upstream.respond(jsonError(status))
      const { ask, router } = setUp(options)
      await expect(ask()).rejects.toMatchObject({ status })
      expect([...router.ledger!.attempts()]).toMatchObject([{ costNanoUsd: 0n, estimated: false }])
    }
    const gone = { ...model(), baseUrl: `http://127.0.0.1:${await refusedPort()}/v1` }
    const { ask, router } = setUp({ ...options, models: { a: gone }, routes: {} })
    await expect(ask()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    expect([...router.ledger!.attempts()]).toMatchObject([{ costNanoUsd: 0n }])
  })

  it('charges a failed answer by the usage it carries', async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
    upstream.respond(
      step('failed', ({ write }) => {
        const body = JSON.stringify({ error: { message: 'late', type: 'server_error' }, usage })
        return write(
          `HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
      }),
    )
    const { ask, router } = setUp({ budgets: [{ ...day, limitUsd: 1 }], retry: { maxAttempts: 1 } })
    await expect(ask()).rejects.toMatchObject({ status: 500 })
    expect([...router.ledger!.attempts()]).toMatchObject([{ costNanoUsd: 60n, estimated: false }])
  })
})

describe('the most a call may cost', () => {
  it('is refused before anything is sent, whoever says it, and holds without any budget', async () => {
    const tight = setUp({ routes: { auto: { models: ['a'], maxCostUsd: 100 * nanoUsd } } })
    const { ask } = setUp()
    const refused = { code: 'max_cost_exceeded' }
    await expect(tight.ask({ model: 'auto' })).rejects.toMatchObject(refused)
    await expect(ask({}, { identity: { user: 'u', maxCostUsd: 100 * nanoUsd } })).rejects.toMatchObject(refused)
    await expect(ask({}, { maxCostUsd: 100 * nanoUsd })).rejects.toMatchObject(refused)
    await expect(tight.ask({ model: 'auto' }, { maxCostUsd: 1 })).rejects.toMatchObject(refused)
    expect(upstream.requests).toHaveLength(0)
    expect((await ask({}, { maxCostUsd: 700 * nanoUsd })).status).toBe(200)
    expect((await ask({}, { maxCostUsd: Infinity })).status).toBe(200)
  })

  it('is also what the route says to which a plugin hands the call on', async () => {
    const reroute: Plugin = {
      name: 'reroute',
      call: { stage: 'classify', run: (call, next) => next({ ...call, route: 'tight' }) },
    }
    const routes = { auto: { models: ['b'] }, tight: { models: ['a'], maxCostUsd: 100 * nanoUsd } }
    const { ask, router } = setUp({ routes, plugins: [reroute] })
    await expect(ask({ model: 'auto' })).rejects.toMatchObject({ code: 'max_cost_exceeded' })
    expect(upstream.requests).toHaveLength(0)
    await router.close()
  })

  it('is told to be wrong where it is no amount', async () => {
    const { ask } = setUp()
    for (const wrong of [Number.NaN, -1, -Infinity]) {
      const error = { code: 'invalid_config', message: `maxCostUsd: expected US dollars, 0 or more, got ${wrong}` }
      await expect(async () => ask({}, { maxCostUsd: wrong })).rejects.toMatchObject(error)
      await expect(async () => ask({}, { identity: { maxCostUsd: wrong } })).rejects.toMatchObject(error)
    }
    expect(upstream.requests).toHaveLength(0)
  })

  it('bounds the sum of attempts that begin at one time', async () => {
    const both: Plugin = {
      name: 'both',
      async route(_call, ranked, attempt) {
        const [one, other] = await Promise.allSettled(ranked.map((name) => attempt(name)))
        expect(other).toMatchObject({ status: 'rejected', reason: { code: 'max_cost_exceeded' } })
        return (one as PromiseFulfilledResult<Reply>).value
      },
    }
    const { ask } = setUp({ plugins: [both] })
    expect((await ask({ model: 'auto' }, { maxCostUsd: 800 * nanoUsd })).status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
  })

  describe('bounds with it the calls that plugins make on its behalf', () => {
    const body = { model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 }
    const boundNanoUsd = JSON.stringify(body).length + 1 + 500
    const asking = (askFirst: (ask: () => Promise<Reply>) => Promise<unknown>): Plugin => {
      let services: PluginServices | undefined
      return {
        name: 'asking',
        setup: (given) => void (services = given),
        call: {
          stage: 'guard',
          async run(call, next) {
            await askFirst(() => services!.handle(call, { body }))
            return next(call)
          },
        },
      }
    }

    it('while they are under way', async () => {
      const outcomes: unknown[] = []
      const twice = asking(async (ask) => {
        for (const { status } of await Promise.allSettled([ask(), ask()])) outcomes.push(status)
      })
      const { ask } = setUp({ plugins: [twice] })
      await ask({}, { maxCostUsd: 1.5 * boundNanoUsd * nanoUsd })
      expect(outcomes).toEqual(['fulfilled', 'rejected'])
      expect(upstream.requests).toHaveLength(2)
    })

    it('and by what they have cost', async () => {
      const once = asking(async (ask) => (await ask()).ended)
      const { ask, router } = setUp({ plugins: [once] })
      await ask({}, { maxCostUsd: 1 })
      await settle()
      const [{ costNanoUsd: cost } = { costNanoUsd: undefined }] = [...router.ledger!.attempts()]
      const exact = (Number(cost) + boundNanoUsd) * nanoUsd
      expect(Number(cost)).toBeGreaterThan(0)
      expect((await ask({}, { maxCostUsd: exact })).status).toBe(200)
      await expect(ask({}, { maxCostUsd: exact - nanoUsd })).rejects.toMatchObject({ code: 'max_cost_exceeded' })
    })
  })

  it('bounds the sum of its attempts', async () => {
    const failed = JSON.stringify({
      error: { message: 'x', type: 'server_error' },
      usage: { prompt_tokens: 10, completion_tokens: 40 },
    })
    upstream.respond(
      step('failed', ({ write }) =>
        write(`HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: ${failed.length}\r\n\r\n${failed}`),
      ),
    )
    const { ask } = setUp({ retry: { maxAttempts: 1 } })
    await expect(ask({ model: 'auto' }, { maxCostUsd: 800 * nanoUsd })).rejects.toMatchObject({ status: 500 })
    expect(upstream.requests).toHaveLength(1)
  })
})
