/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { createFakeClock, seededRandom } from '@signalbox/testkit'
import { describe, expect, it, vi } from 'vitest'
import type { RouteOptions, RouterOptions } from '../config/options.ts'
import { SignalboxError, type SignalboxErrorCode } from '../errors.ts'
import type { RouterEvents } from '../events.ts'
import type { Plugin, RouteHook } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { plainReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Attempt, Handler, Reply } from '../types.ts'
import type { Outcome, Strategy } from '../strategies/strategy.ts'

const reply = (model: string): Reply =>
  plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model, body: Buffer.from(model) })
const answer: Handler<Attempt> = async ({ candidate }) => reply(candidate.name)
const failing = (code: SignalboxErrorCode) => () => Promise.reject(new SignalboxError(code, code, { retryable: false }))
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A router whose models answer as told by name, on a route named `auto` over all of them. */
function setUp(
  models: Readonly<Record<string, Handler<Attempt>>>,
  route: Partial<RouteOptions> = {},
  rest: Partial<RouterOptions> = {},
) {
  const clock = createFakeClock()
  const sent: string[] = []
  const provider = (send: Handler<Attempt>): Provider => ({
    name: 'own',
    dialect: 'openai-chat',
    connect: (_options, { name }) => ({
      domain: name,
      send: (attempt) => {
        sent.push(attempt.candidate.name)
        return send(attempt)
      },
    }),
  })
  const router = createRouter({
    models: Object.fromEntries(Object.entries(models).map(([name, send]) => [name, { provider: provider(send) }])),
    routes: { auto: { models: Object.keys(models), ...route } },
    clock,
    breaker: false,
    health: false,
    ...rest,
  })
  return {
    router,
    clock,
    sent,
    ask: (over: object = {}) => router.handle({ body: { model: 'auto', messages: [] }, ...over }),
  }
}

const three = { a: answer, b: answer, c: answer }

describe('a route', () => {
  it('never tries a model that its caller may not use, whatever ranks it', async () => {
    const models = { a: failing('upstream_error'), b: answer, c: answer }
    const everything: Strategy = { name: 'all', rank: () => [{ name: 'b' }, { name: 'a' }] }
    for (const strategy of ['ordered', everything] as const) {
      const { ask, sent } = setUp(models, { models: ['a', 'b'], fallback: ['c'], strategy })
      await expect(ask({ identity: { models: ['a'] } })).rejects.toMatchObject({ code: 'upstream_error' })
      expect(sent).toEqual(['a'])
      expect((await ask({ identity: { models: ['c'] } })).model).toBe('c')
    }
  })

  it('moves on to the next model when one fails in a way that another may not', async () => {
    for (const code of [
      'upstream_error',
      'upstream_timeout',
      'upstream_unreachable',
      'provider_auth_failed',
      'upstream_quota_exhausted',
      'bad_upstream_response',
    ] as const) {
      const { ask, sent } = setUp({ a: failing(code), b: answer })
      expect((await ask()).model).toBe('b')
      expect(sent).toEqual(['a', 'b'])
    }
  })

  it("stops at the caller's own fault, and when the call is over", async () => {
    for (const code of ['upstream_rejected', 'cancelled', 'deadline_exceeded', 'internal_error'] as const) {
      const { ask, sent } = setUp({ a: failing(code), b: answer })
      await expect(ask()).rejects.toMatchObject({ code })
      expect(sent).toEqual(['a'])
    }
  })

  it('goes on to its fallback chain, in order and each once, after all that are ranked', async () => {
    const models = {
      a: failing('upstream_error'),
      b: failing('upstream_error'),
      c: failing('upstream_error'),
      d: answer,
    }
    const { ask, sent } = setUp(models, { models: ['a', 'b'], fallback: ['c', 'b', 'd'] })
    expect((await ask()).model).toBe('d')
    expect(sent).toEqual(['a', 'b', 'c', 'd'])
  })

  it('tells the last failure when every model failed', async () => {
    const { ask } = setUp({ a: failing('upstream_timeout'), b: failing('provider_auth_failed') })
    await expect(ask()).rejects.toMatchObject({ code: 'provider_auth_failed' })
  })

  it('hands each attempt what is left to try', async () => {
    const seen: (readonly string[])[] = []
    const look: Handler<Attempt> = ({ alternatives }) => {
      seen.push(alternatives.map(({ name }) => name))
      return failing('upstream_error')()
    }
    await setUp({ a: look, b: look, c: look }, { models: ['a', 'b'], fallback: ['c'] })
      .ask()
      .catch(() => undefined)
    expect(seen).toEqual([['b', 'c'], ['c'], []])
  })

  it('makes no more attempts than a call may', async () => {
    const models = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`m${index}`, failing('upstream_error')]))
    const { ask, sent } = setUp(models, { retry: { maxAttemptsPerCall: 4 } })
    await expect(ask()).rejects.toMatchObject({ code: 'upstream_error' })
    expect(sent).toHaveLength(4)
    const six = setUp(models)
    await six.ask().catch(() => undefined)
    expect(six.sent).toHaveLength(6)
  })

  it('keeps that bound and the time of a call where one of its models has its own retries and times off', async () => {
    const clock = createFakeClock()
    const attempts: Attempt[] = []
    const provider: Provider = {
      name: 'own',
      dialect: 'openai-chat',
      connect: () => ({ domain: 'own', send: (attempt) => (attempts.push(attempt), failing('upstream_error')()) }),
    }
    const names = Array.from({ length: 9 }, (_, index) => `m${index}`)
    const router = createRouter({
      models: Object.fromEntries(
        names.map((name) => [name, { provider, retry: false as const, timeouts: false as const }]),
      ),
      routes: { auto: { models: names } },
      clock,
      breaker: false,
    })
    await router.handle({ body: { model: 'auto' } }).catch(() => undefined)
    expect(attempts).toHaveLength(6)
    expect(attempts[0]!.call.deadline).toBe(180_000)
  })

  it('gives a reasoning model its longer time', async () => {
    const deadlines: number[] = []
    const provider: Provider = {
      name: 'own',
      dialect: 'openai-chat',
      connect: () => ({
        domain: 'own',
        send: async ({ call, candidate }) => (deadlines.push(call.deadline), reply(candidate.name)),
      }),
    }
    const router = createRouter({
      models: { fast: { provider }, deep: { provider, reasoning: true } },
      routes: { auto: { models: ['fast', 'deep'] } },
      clock: createFakeClock(),
    })
    for (const model of ['fast', 'deep', 'auto']) await router.handle({ body: { model } })
    expect(deadlines).toEqual([180_000, 600_000, 600_000])
  })
})

/** A limiter as a plugin writes one: no room for these models, unless the call may wait. */
function limited(names: readonly string[], room = true) {
  const seen: string[] = []
  const plugin: Plugin = {
    name: 'my-limiter',
    attempt: {
      stage: 'limiter',
      run(attempt, next) {
        const { candidate, mayWait } = attempt
        seen.push(`${candidate.name} ${mayWait}`)
        if (!names.includes(candidate.name) || (mayWait && room)) return next(attempt)
        throw new SignalboxError('rate_limit_exceeded', 'no room', { retryAfterMs: 100 })
      },
    },
  }
  return { plugin, seen }
}

describe('the two passes', () => {
  it('first try what can start now, and nobody waits while another has room', async () => {
    const limiter = limited(['a'])
    const { ask, sent } = setUp(three, {}, { plugins: [limiter.plugin] })
    expect((await ask()).model).toBe('b')
    expect(limiter.seen).toEqual(['a false', 'b false'])
    expect(sent).toEqual(['b'])
  })

  it('then let those wait that were only limited, in their order, and no others', async () => {
    const limiter = limited(['b', 'c'])
    const { ask, sent } = setUp(
      { ...three, a: failing('upstream_error'), b: failing('upstream_error') },
      {},
      { plugins: [limiter.plugin] },
    )
    expect((await ask()).model).toBe('c')
    expect(limiter.seen).toEqual(['a false', 'b false', 'c false', 'b true', 'c true'])
    expect(sent).toEqual(['a', 'b', 'c'])
  })

  it('let the only model of a route wait', async () => {
    const limiter = limited(['a'])
    const { ask } = setUp({ a: answer }, {}, { plugins: [limiter.plugin] })
    expect((await ask()).model).toBe('a')
    expect(limiter.seen).toEqual(['a false', 'a true'])
  })

  it('end in a rate limit where there is no room at all, which is no attempt', async () => {
    const limiter = limited(['a', 'b'], false)
    const { router, sent } = setUp({ a: answer, b: answer }, {}, { plugins: [limiter.plugin] })
    const { record, reply: result } = router.begin({ body: { model: 'auto' } })
    await expect(result).rejects.toMatchObject({ code: 'rate_limit_exceeded', retryAfterMs: 100, failures: [] })
    expect(record.attempts).toEqual([])
    expect(sent).toEqual([])
  })

  it('tell a real failure rather than a limit', async () => {
    const limiter = limited(['a'], false)
    const { ask } = setUp({ a: answer, b: failing('upstream_timeout') }, {}, { plugins: [limiter.plugin] })
    await expect(ask()).rejects.toMatchObject({ code: 'upstream_timeout' })
  })
})

describe('a failover', () => {
  it('is told and recorded, from which model to which and why', async () => {
    const { router, ask } = setUp({ a: failing('upstream_timeout'), b: failing('upstream_unreachable'), c: answer })
    const told: RouterEvents['failover'][] = []
    router.on('failover', (event) => told.push(event))
    await ask({ id: 'one' })
    const at = { callId: 'one', route: 'auto', time: Date.UTC(2026, 0, 1) }
    expect(told).toEqual([
      { ...at, from: 'a', to: 'b', reason: 'upstream_timeout' },
      { ...at, from: 'b', to: 'c', reason: 'upstream_unreachable' },
    ])
    const { record, reply: result } = router.begin({ body: { model: 'auto' }, id: 'two' })
    await result
    expect(record.failovers.map(({ from, to, reason }) => [from, to, reason])).toEqual([
      ['a', 'b', 'upstream_timeout'],
      ['b', 'c', 'upstream_unreachable'],
    ])
  })

  it('goes to a model that was waited for too', async () => {
    let asked = 0
    const pausing: Handler<Attempt> = (attempt) =>
      asked++ === 0
        ? Promise.reject(new SignalboxError('upstream_rate_limited', 'later', { retryAfterMs: 5_000 }))
        : answer(attempt)
    const { router, clock } = setUp({ a: failing('upstream_error'), b: pausing }, {}, { retry: false })
    await router.handle({ body: { model: 'b' }, timeoutMs: 1_000 }).catch(() => undefined)
    const { record, reply: result } = router.begin({ body: { model: 'auto' } })
    await clock.advance(5_000)
    expect((await result).model).toBe('b')
    expect(record.failovers).toMatchObject([{ from: 'a', to: 'b', reason: 'upstream_error', time: clock.wallTime() }])
  })

  it('goes to no model that is kept back', async () => {
    const { plugin } = limited(['b'])
    const { router } = setUp({ ...three, a: failing('upstream_error') }, {}, { plugins: [plugin] })
    const { record, reply: result } = router.begin({ body: { model: 'auto' } })
    await result
    expect(record.failovers).toMatchObject([{ from: 'a', to: 'c', reason: 'upstream_error' }])
  })

  it('is none where the first model answers, or nothing is left', async () => {
    const listener = vi.fn<() => void>()
    const well = setUp(three)
    well.router.on('failover', listener)
    await well.ask()
    const ill = setUp({ a: failing('upstream_error') })
    ill.router.on('failover', listener)
    await ill.ask().catch(() => undefined)
    expect(listener).not.toHaveBeenCalled()
  })
})

describe('explain', () => {
  it('gives the order of the models and the reasons, and sends nothing', async () => {
    const { router, sent } = setUp(three, { models: ['b', 'a'], fallback: ['c'] })
    const record = await router.explain({ body: { model: 'auto', messages: [] } })
    expect(record).toMatchObject({ route: 'auto', strategy: 'ordered', attempts: [], outcome: 'pending' })
    expect(record.candidates.map(({ name, reason }) => [name, reason])).toEqual([
      ['b', 'place 1 in the list'],
      ['a', 'place 2 in the list'],
      ['c', 'fallback'],
    ])
    expect(sent).toEqual([])
  })

  it('moves no pointer of round-robin', async () => {
    const { router, ask } = setUp(three, { strategy: 'round-robin' })
    const answered: string[] = []
    for (let times = 0; times < 6; times++) {
      const first = (await router.explain({ body: { model: 'auto' } })).candidates[0]!.name
      for (let more = 0; more < 3; more++)
        expect((await router.explain({ body: { model: 'auto' } })).candidates[0]!.name).toBe(first)
      answered.push((await ask()).model)
      expect(answered.at(-1)).toBe(first)
    }
    expect(answered).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('draws nothing from the random source that calls draw from', async () => {
    const models = async (explains: number) => {
      const { router, ask } = setUp(three, { strategy: 'weighted' }, { random: seededRandom(3) })
      const answered: string[] = []
      for (let times = 0; times < 20; times++) {
        for (let more = 0; more < explains; more++) await router.explain({ body: { model: 'auto' } })
        answered.push((await ask()).model)
      }
      return answered
    }
    expect(await models(2)).toEqual(await models(0))
    expect(new Set(await models(0)).size).toBe(3)
  })

  it('begins no call: nothing is told and no observer of the strategy hears', async () => {
    const observe = vi.fn<(outcome: Outcome) => void>()
    const heard = vi.fn<() => void>()
    const { router } = setUp(three, { strategy: { name: 'own', rank: (_call, candidates) => candidates, observe } })
    for (const event of ['call.started', 'call.ended', 'attempt.started', 'failover'] as const) router.on(event, heard)
    await router.explain({ body: { model: 'auto' } })
    expect(observe).not.toHaveBeenCalled()
    expect(heard).not.toHaveBeenCalled()
  })

  it('waits for a strategy that takes its time, and works on after close', async () => {
    const { router } = setUp(three, { strategy: async (_call, candidates) => candidates.toReversed() })
    await router.close()
    expect((await router.explain({ body: { model: 'auto' } })).candidates.map(({ name }) => name)).toEqual([
      'c',
      'b',
      'a',
    ])
  })
})

describe("a strategy of one's own", () => {
  it('may be a function, and may take its time', async () => {
    const { ask } = setUp(three, { strategy: async (_call, candidates) => candidates.toReversed() })
    expect((await ask()).model).toBe('c')
  })

  it('may leave models out', async () => {
    const { ask, sent } = setUp({ ...three, b: failing('upstream_error') }, { strategy: () => [{ name: 'b' }] })
    await expect(ask()).rejects.toMatchObject({ code: 'upstream_error' })
    expect(sent).toEqual(['b'])
  })

  it('that names nobody leaves the fallback, or nothing', async () => {
    expect((await setUp(three, { models: ['a'], fallback: ['c'], strategy: () => [] }).ask()).model).toBe('c')
    await expect(setUp(three, { strategy: () => [] }).ask()).rejects.toMatchObject({ code: 'all_models_unavailable' })
  })

  it('that names a stranger is a failure that names it, and nothing is sent', async () => {
    for (const strategy of [() => [{ name: 'x"\n' }], async () => [{ name: 'a' }, { name: 'x"\n' }]]) {
      const { ask, sent } = setUp(three, { strategy })
      const error = await ask().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'plugin_failed' })
      expect((error as Error).message).toContain(String.raw`"x\"\n"`)
      expect(sent).toEqual([])
    }
  })

  it('that throws or rejects is a failure that names it', async () => {
    const broken = [
      () => {
        throw new TypeError('broken')
      },
      () => Promise.reject(new TypeError('broken')),
    ]
    for (const rank of broken) {
      const error = await setUp(three, { strategy: { name: 'mine', rank } })
        .ask()
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'plugin_failed', cause: expect.any(TypeError) })
      expect((error as Error).message).toContain('"mine"')
    }
  })

  it('hears what was taken, begun and ended', async () => {
    const heard: Outcome[] = []
    const strategy: Strategy = {
      name: 'own',
      rank: (_call, candidates) => candidates,
      observe: (outcome) => heard.push(outcome),
    }
    const { ask } = setUp({ a: failing('upstream_timeout'), b: answer }, { strategy })
    await ask()
    await settle()
    expect(heard.map((outcome) => [outcome.type, outcome.name])).toEqual([
      ['taken', 'a'],
      ['started', 'a'],
      ['ended', 'a'],
      ['started', 'b'],
      ['ended', 'b'],
    ])
    expect(heard[2]).toMatchObject({ ok: false, code: 'upstream_timeout' })
    expect(heard[4]).toMatchObject({ ok: true })
    expect(heard[4]).not.toHaveProperty('firstTokenMs')
  })

  it('hears the end of what failed with an error that is none of ours', async () => {
    const heard: Outcome[] = []
    const strategy: Strategy = { name: 'own', rank: (_call, all) => all, observe: (outcome) => heard.push(outcome) }
    const broken: Handler<Attempt> = async () => {
      throw new TypeError('A provider of one’s own has a fault')
    }
    await expect(setUp({ a: broken, b: answer }, { strategy }).ask()).rejects.toMatchObject({ code: 'internal_error' })
    expect(heard).toMatchObject([
      { type: 'taken' },
      { type: 'started' },
      { type: 'ended', ok: false, code: 'internal_error' },
    ])
  })

  it('whose observer throws does not touch the call, and the operator is told', async () => {
    const unhandled = vi.fn<() => void>()
    process.on('unhandledRejection', unhandled)
    const observe = () => {
      throw new Error('broken')
    }
    const { router, ask } = setUp(
      { a: failing('upstream_timeout'), b: answer },
      { strategy: { name: 'mine', rank: (_call, candidates) => candidates, observe } },
    )
    const warnings: RouterEvents['warning'][] = []
    router.on('warning', (warning) => warnings.push(warning))
    expect((await ask()).model).toBe('b')
    await settle()
    await settle()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(warnings[0]).toMatchObject({ kind: 'plugin_failed' })
    expect(warnings[0]!.message).toContain('"mine"')
  })
})

describe('round-robin over models that come and go', () => {
  const count = (models: readonly string[]) =>
    Object.fromEntries(['a', 'b', 'c'].map((name) => [name, models.filter((one) => one === name).length]))
  const many = async (ask: () => Promise<Reply>, times: number) => {
    const models: string[] = []
    for (let call = 0; call < times; call++) models.push((await ask()).model)
    return models
  }
  const long = { body: { model: 'auto', messages: [{ role: 'user', content: 'word '.repeat(2_000) }] } }

  it('shares the turns of a model that the requests do not fit into, and owes it none afterwards', async () => {
    const clock = createFakeClock()
    const provider: Provider = {
      name: 'own',
      dialect: 'openai-chat',
      connect: (_options, { name }) => ({ domain: name, send: answer }),
    }
    const router = createRouter({
      models: { a: { provider }, b: { provider }, c: { provider, contextWindow: 500 } },
      routes: { auto: { models: ['a', 'b', 'c'], strategy: 'round-robin' } },
      clock,
    })
    expect(count(await many(() => router.handle(long), 60))).toEqual({ a: 30, b: 30, c: 0 })
    expect(count(await many(() => router.handle({ body: { model: 'auto' } }), 9))).toEqual({ a: 3, b: 3, c: 3 })
  })

  it('shares the turns of a model that is kept out alike, and owes it none afterwards', async () => {
    let down = true
    const c: Handler<Attempt> = (attempt) => (down ? failing('provider_auth_failed')() : answer(attempt))
    const { ask, clock, sent } = setUp({ a: answer, b: answer, c }, { strategy: 'round-robin' })
    await many(ask, 3)
    sent.length = 0
    expect(count(await many(ask, 60))).toEqual({ a: 30, b: 30, c: 0 })
    expect(sent).not.toContain('c')
    down = false
    await clock.advance(60_000)
    const back = count(await many(ask, 12))
    for (const turns of Object.values(back)) expect(Math.abs(turns - 4)).toBeLessThanOrEqual(1)
  })
})

describe('a route hook', () => {
  const replaced = (route: RouteHook): Partial<RouterOptions> => ({ plugins: [{ name: 'hedger', route }] })

  it('takes the place of trying in turn, with the ranking in hand', async () => {
    const lastFirst: RouteHook = (_call, ranked, attempt) => attempt(ranked.at(-1)!)
    const { ask, sent } = setUp(three, {}, replaced(lastFirst))
    expect((await ask()).model).toBe('c')
    expect(sent).toEqual(['c'])
  })

  it('may try models at once, give the others up, and go through the attempt ring each time', async () => {
    const aborted: string[] = []
    const slow: Handler<Attempt> = ({ candidate, signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(candidate.name)
          reject(new SignalboxError('cancelled', 'lost'))
        })
      })
    const race: RouteHook = async (_call, ranked, attempt) => {
      const losers = new AbortController()
      const runs = ranked.map(({ name }) => attempt(name, { signal: losers.signal }))
      const winner = await Promise.any(runs)
      losers.abort()
      await Promise.allSettled(runs)
      return winner
    }
    const { router } = setUp({ a: slow, b: answer, c: slow }, {}, replaced(race))
    const { record, reply: result } = router.begin({ body: { model: 'auto' } })
    expect((await result).model).toBe('b')
    expect(aborted).toEqual(['a', 'c'])
    expect(record.attempts.map(({ model, outcome }) => [model, outcome])).toEqual([
      ['a', 'cancelled'],
      ['b', 'ok'],
      ['c', 'cancelled'],
    ])
  })

  it('cannot try a stranger', async () => {
    const { ask } = setUp(
      three,
      {},
      replaced((_call, _ranked, attempt) => attempt('x')),
    )
    const error = await ask().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'plugin_failed' })
    expect((error as Error).message).toContain('"x", which is not on the route "auto"')
  })

  it('hands on what the caller may not wait for', async () => {
    const seen: boolean[] = []
    const look: Handler<Attempt> = async ({ mayWait, candidate }) => (seen.push(mayWait), reply(candidate.name))
    await setUp(
      { a: look },
      {},
      replaced((_call, [first], attempt) => attempt(first!, { mayWait: false })),
    ).ask()
    await setUp(
      { a: look },
      {},
      replaced((_call, [first], attempt) => attempt(first!)),
    ).ask()
    expect(seen).toEqual([false, true])
  })
})
