/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { inspect } from 'node:util'
import { createFakeClock } from '@signalbox/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { RouterOptions } from './config/options.ts'
import { SignalboxError } from './errors.ts'
import type { Plugin } from './plugin.ts'
import type { Provider } from './providers/provider.ts'
import { plainReply, readBody, streamReply } from './reply.ts'
import { createRouter } from './router.ts'
import { PushStream } from './stream.ts'
import type { Attempt, Ended, Handler, Reply } from './types.ts'
import { noUsage } from './reply.ts'

const reply = (model: string): Reply =>
  plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model, body: Buffer.from(`from ${model}`) })

/** A model that answers as it is told. */
function own(send: Handler<Attempt> = async ({ candidate }) => reply(candidate.name)) {
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: (_options, { name }) => ({ domain: name, send }),
  }
  return { provider }
}

const clock = createFakeClock()
const make = (options: Partial<RouterOptions> = {}) =>
  createRouter({ models: { a: own(), b: own() }, clock, ...options })
const ask = (model = 'a', rest: object = {}) => ({ body: { model, messages: [], ...rest } })
const textOf = async (answer: Reply) => Buffer.from(await readBody(answer)).toString()
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A reply whose stream goes on until it is told to end. */
function openReply() {
  let settleEnd: ((ended: Ended) => void) | undefined
  const ended = new Promise<Ended>((resolve) => (settleEnd = resolve))
  const body = new PushStream({ pause: () => undefined, resume: () => undefined, cancel: () => undefined })
  const end = (how: Ended['how'] = 'complete') => {
    body.end()
    settleEnd!({ how, usage: noUsage, estimated: false })
  }
  const cancel = vi.fn<(reason?: unknown) => void>(() => end('cancelled'))
  return {
    reply: streamReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body, ended, cancel }),
    end,
    cancel,
  }
}

afterEach(() => {
  if (clock.pendingTimers() > 0) throw new Error('A timer is left')
})

describe('a router', () => {
  it('answers a call by the model or the route that is asked for', async () => {
    const router = make({ routes: { auto: { models: ['b', 'a'] } } })
    expect(await textOf(await router.handle(ask('a')))).toBe('from a')
    expect(await textOf(await router.handle(ask('auto')))).toBe('from b')
  })

  it('takes a route before a model of the same name', async () => {
    expect(await textOf(await make({ routes: { a: { models: ['b'] } } }).handle(ask('a')))).toBe('from b')
  })

  it('names every route and model, once', () => {
    const router = make({ routes: { auto: { models: ['a'] }, a: { models: ['b'] } } })
    expect(router.names()).toEqual(['auto', 'a', 'b'])
    expect(router.names({ routes: ['b', 'auto', 'gone'] })).toEqual(['auto', 'b'])
    expect(router.names({ routes: [] })).toEqual([])
  })

  it('may have models and routes with names of the prototype', async () => {
    const router = createRouter({
      models: { constructor: own(), toString: own() },
      routes: { valueOf: { models: ['constructor'] } },
      clock,
    })
    expect(await textOf(await router.handle(ask('constructor')))).toBe('from constructor')
    expect(await textOf(await router.handle(ask('valueOf')))).toBe('from constructor')
    await expect(router.handle(ask('hasOwnProperty'))).rejects.toMatchObject({ code: 'model_not_found' })
    await expect(router.handle({ body: Buffer.from('{"model":"__proto__"}') })).rejects.toMatchObject({
      code: 'model_not_found',
    })
  })

  it('shows the order in which its hooks run', () => {
    const plugin: Plugin = {
      name: 'mine',
      call: (call, next) => next(call),
      attempt: { stage: 'budget', run: (attempt, next) => next(attempt) },
    }
    const { order } = make({ plugins: [plugin] })
    expect(order[0]).toEqual({ ring: 'call', plugin: 'mine', stage: 'outermost' })
    expect(order.find(({ ring, plugin: name }) => ring === 'attempt' && name === 'mine')).toEqual({
      ring: 'attempt',
      plugin: 'mine',
      stage: 'budget',
    })
    const names = order.map(({ plugin: name }) => name)
    for (const name of ['observe', 'permission', 'retry', 'timeout', 'meter']) expect(names).toContain(name)
    expect(names.indexOf('retry')).toBeLessThan(names.indexOf('timeout'))
  })

  it('serves one caller through as, and fetch', async () => {
    const seen: unknown[] = []
    const router = make({ models: { a: own(async ({ call }) => (seen.push(call.identity), reply('a'))) } })
    const caller = router.as({ user: 'u1' })
    await caller.handle(ask())
    const response = await caller.fetch('http://any/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(ask().body),
    })
    expect([response.status, await response.text()]).toEqual([200, 'from a'])
    await router.fetch('http://any/v1/chat/completions', { method: 'POST', body: JSON.stringify(ask().body) })
    expect(seen).toEqual([{ user: 'u1' }, { user: 'u1' }, {}])
  })

  it('leaves the options that it was given as they were', async () => {
    const options = { models: { a: own() }, routes: { auto: { models: ['a'] } }, plugins: [] }
    const before = inspect(options, { depth: 10 })
    await make(options).handle(ask('auto'))
    expect(inspect(options, { depth: 10 })).toBe(before)
  })

  it('runs a hundred calls at once without a warning of too many listeners', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const waiting: (() => void)[] = []
    const model = own(({ signal }) => {
      const leave = () => undefined
      signal.addEventListener('abort', leave)
      return new Promise((resolve) => waiting.push(() => resolve(reply('a'))))
    })
    const router = make({ models: { a: model } })
    const { signal } = new AbortController()
    const calls = Array.from({ length: 100 }, (_, index) =>
      router.handle({ ...ask(), ...(index % 2 === 0 && { signal }) }),
    )
    await settle()
    for (const finish of waiting) finish()
    await Promise.all(calls)
    await settle()
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})

describe('an allow-list', () => {
  it('lets a caller ask for the routes and models on it, and for no other', async () => {
    const send = vi.fn<Handler<Attempt>>(async ({ candidate }) => reply(candidate.name))
    const router = make({ models: { a: own(send), b: own(send) }, routes: { auto: { models: ['a', 'b'] } } })
    const caller = router.as({ routes: ['auto'] })
    await expect(caller.handle(ask('auto'))).resolves.toBeDefined()
    expect(send).toHaveBeenCalledTimes(1)
    for (const name of ['a', 'b'])
      await expect(caller.handle(ask(name))).rejects.toMatchObject({ code: 'route_not_allowed', param: 'model' })
    await expect(router.as({ routes: [] }).handle(ask('auto'))).rejects.toMatchObject({ code: 'route_not_allowed' })
    await expect(caller.handle(ask('gone'))).rejects.toMatchObject({ code: 'model_not_found' })
    expect(send).toHaveBeenCalledTimes(1)
  })

  it('holds before any guard, cache or raw plugin of a stage sees the call', async () => {
    const seen = vi.fn<() => void>()
    const router = make({
      plugins: [{ name: 'late', call: { stage: 'guard', run: (call, next) => (seen(), next(call)) } }],
    })
    await expect(router.as({ routes: ['b'] }).handle(ask('a'))).rejects.toMatchObject({ code: 'route_not_allowed' })
    expect(seen).not.toHaveBeenCalled()
  })

  it('holds for explain', async () => {
    await expect(make().explain({ ...ask('a'), identity: { routes: ['b'] } })).rejects.toMatchObject({
      code: 'route_not_allowed',
    })
  })
})

describe('what handle rejects with', () => {
  it('is always ours, with the cause inside', async () => {
    const cause = new TypeError('a bug in a provider')
    const router = make({ models: { a: own(() => Promise.reject(cause)) } })
    const error = await router.handle(ask()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'internal_error', cause })
    expect((error as Error).message).not.toContain('bug')
  })

  it('is a rejection, also where the request cannot be read', async () => {
    await expect(make().handle({ body: Buffer.from('{') })).rejects.toMatchObject({ code: 'invalid_json' })
    expect(() => make().begin({ body: Buffer.from('{') })).toThrow(expect.objectContaining({ code: 'invalid_json' }))
  })

  it('says what every attempt failed with, oldest first', async () => {
    const failing = (code: 'upstream_error' | 'upstream_timeout', status?: number) =>
      own(() =>
        Promise.reject(new SignalboxError(code, `no: ${code}`, { retryable: false, ...(status && { status }) })),
      )
    const router = make({
      models: { a: failing('upstream_error', 500), b: failing('upstream_timeout') },
      routes: { auto: { models: ['a', 'b'] } },
    })
    await expect(router.handle(ask('auto'))).rejects.toMatchObject({
      code: 'upstream_timeout',
      failures: [
        { model: 'a', code: 'upstream_error', message: 'no: upstream_error', status: 500 },
        { model: 'b', code: 'upstream_timeout', message: 'no: upstream_timeout' },
      ],
    })
  })

  it('has no failures where nothing was sent', async () => {
    const router = make({ plugins: [{ name: 'no', call: () => Promise.reject(new SignalboxError('refused', 'No.')) }] })
    await expect(router.handle(ask())).rejects.toMatchObject({ code: 'refused', failures: [] })
  })

  it('names the plugin whose route hook throws or gives no reply', async () => {
    for (const route of [() => Promise.reject(new Error('broken')), async () => undefined as unknown as Reply]) {
      const router = make({ plugins: [{ name: 'hedger', route }] })
      await expect(router.handle(ask())).rejects.toMatchObject({ code: 'plugin_failed', plugin: 'hedger' })
    }
  })
})

describe('begin', () => {
  it('gives the record at once, and it is written as things happen', async () => {
    const { record, reply: answer } = make().begin({ ...ask(), id: 'one' })
    expect(record).toMatchObject({ id: 'one', route: 'a', outcome: 'pending' })
    await (
      await answer
    ).ended
    await settle()
    expect(record).toMatchObject({
      outcome: 'ok',
      model: 'a',
      strategy: 'ordered',
      attempts: [{ model: 'a', number: 1, outcome: 'ok', status: 200 }],
    })
    expect(record.candidates).toMatchObject([{ name: 'a', reason: 'place 1 in the list' }])
  })
})

describe('closing', () => {
  it('takes no more calls', async () => {
    const router = make()
    expect(router.ready).toBe(true)
    const closed = router.close()
    expect(router.ready).toBe(false)
    await expect(router.handle(ask())).rejects.toMatchObject({ code: 'shutting_down', retryAfterMs: 5_000 })
    expect(() => router.begin(ask())).toThrow(expect.objectContaining({ code: 'shutting_down' }))
    await expect(router.as({}).handle(ask())).rejects.toMatchObject({ code: 'shutting_down' })
    await closed
  })

  it('waits for the calls under way, streams to their end', async () => {
    const { reply: open, end } = openReply()
    const router = make({ models: { a: own(async () => open) } })
    await router.handle(ask())
    const closed = vi.fn<() => void>()
    const closing = router.close().then(closed)
    await clock.advance(10_000)
    expect(closed).not.toHaveBeenCalled()
    end()
    await closing
  })

  it('is one and the same however often it is asked for', () => {
    const router = make()
    expect(router.close()).toBe(router.close())
  })

  it('ends after its time limit, whatever is still under way', async () => {
    const { reply: open } = openReply()
    const router = make({ models: { a: own(async () => open), b: own(() => new Promise(() => undefined)) } })
    await router.handle(ask('a'))
    const deaf = router.handle(ask('b')).catch(({ code }: { code: string }) => code)
    const closed = vi.fn<() => void>()
    void router.close({ timeoutMs: 1_000 }).then(closed)
    await clock.advance(999)
    expect(closed).not.toHaveBeenCalled()
    await clock.advance(1)
    await vi.waitFor(() => expect(closed).toHaveBeenCalled())
    expect(await deaf).toBe('shutting_down')
  })

  it('closes plugins in reverse, after the calls, each whatever the others do', async () => {
    const seen: string[] = []
    const { reply: open, end } = openReply()
    const warnings: string[] = []
    const plugin = (name: string, fails = false): Plugin => ({
      name,
      setup: () => void seen.push(`${name} set up`),
      close() {
        seen.push(`${name} closed`)
        if (fails) throw new Error(`${name} cannot`)
      },
    })
    const router = make({
      models: { a: own(async () => open) },
      plugins: [plugin('one'), plugin('two', true), plugin('three')],
    })
    router.on('warning', ({ kind, plugin: name }) => warnings.push(`${kind} ${name}`))
    expect(seen.splice(0)).toEqual(['one set up', 'two set up', 'three set up'])
    await router.handle(ask())
    const closing = router.close()
    await settle()
    expect(seen).toEqual([])
    end()
    await closing
    expect(seen).toEqual(['three closed', 'two closed', 'one closed'])
    expect(warnings).toEqual(['plugin_failed two'])
  })
})

describe('at the start', () => {
  it('a wrong configuration is refused with every fault', () => {
    expect(() => createRouter({ models: {}, retry: { maxAttempts: 0 } })).toThrow(
      /2 faults:[^]*models:[^]*retry\.maxAttempts:/,
    )
  })

  it('plugins that do not fit are refused by name', () => {
    expect(() => make({ plugins: [{ name: 'x' }, { name: 'x' }] })).toThrow(
      /plugins\.x: a plugin named "x" is there already/,
    )
    expect(() => make({ plugins: [{ name: 'retry' }] })).toThrow(/plugins\.retry: a plugin named "retry"/)
    expect(() => make({ plugins: [{ name: 'x', requires: ['y'] }] })).toThrow(/requires the plugin "y"/)
    expect(() => make({ plugins: [{ name: 'x', requires: ['meter'] }] })).not.toThrow()
    const hook = () => Promise.reject(new Error('x'))
    expect(() =>
      make({
        plugins: [
          { name: 'x', route: hook },
          { name: 'y', route: hook },
        ],
      }),
    ).toThrow(/"x" and "y"/)
  })

  it.each([
    ['no name', { call: () => undefined }, /plugins\[0\]\.name: expected a string, got nothing/],
    [
      'a key that nobody knows',
      { name: 'p', cal: () => undefined },
      /plugins\[0\]: expected one of name, [^]*got the key "cal"/,
    ],
    [
      'a hook that is none',
      { name: 'p', call: { stage: 'guard' } },
      /plugins\[0\]\.call\.run: expected a function, got nothing/,
    ],
    [
      'a null for a hook',
      { name: 'p', attempt: null },
      /plugins\[0\]\.attempt: expected a function or \{ run \}, got null/,
    ],
  ])('a plugin with %s is refused', (_what, plugin, message) => {
    expect(() => make({ plugins: [plugin as unknown as Plugin] })).toThrow(message)
  })

  it('a key that no header can carry is refused, and not shown', () => {
    for (const apiKey of ['sk-123456789012\n', 'sk 123456789012', '']) {
      const start = () =>
        createRouter({ models: { a: { provider: 'openai-compatible', baseUrl: 'http://x/v1', apiKey } } })
      expect(start).toThrow(/apiKey: expected printable ASCII/)
      expect(start).not.toThrow(/123456789012/)
    }
  })
})

describe('what is secret', () => {
  const secret = 'sk-proj-0123456789abcdefghij'

  it('is not seen in the router, however it is inspected', async () => {
    const router = createRouter({
      models: {
        a: {
          provider: 'openai-compatible',
          baseUrl: 'http://127.0.0.1:1/v1',
          apiKey: secret,
          headers: { authorization: `Basic ${secret}`, 'x-secret': secret },
        },
        b: { provider: 'openai', apiKey: () => secret },
      },
      routes: { auto: { models: ['a', 'b'], strategy: 'round-robin' } },
      clock,
    })
    const record = await router.explain(ask('auto'))
    const shown = [
      inspect(router, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(router),
      inspect(router.as({ user: 'u' }), { depth: 20, showHidden: true }),
      JSON.stringify(router.status()),
      inspect(record, { depth: 20, showHidden: true }),
      JSON.stringify(router.order),
    ].join('\n')
    for (let at = 0; at + 12 <= secret.length; at++) expect(shown).not.toContain(secret.slice(at, at + 12))
    await router.close()
  })

  it('is not seen by a plugin or a strategy in what it is handed', async () => {
    const shown: string[] = []
    const look = (value: unknown) =>
      shown.push(inspect(value, { depth: 20, showHidden: true, getters: true }), JSON.stringify(value))
    const router = createRouter({
      models: { a: { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', apiKey: secret } },
      routes: { auto: { models: ['a'], strategy: (_call, candidates) => (look(candidates), candidates) } },
      plugins: [
        {
          name: 'looking',
          call: (call, next) => (look(call), next(call)),
          attempt: (attempt) => (look(attempt.candidate), Promise.resolve(reply('a'))),
        },
      ],
      clock,
    })
    await router.handle(ask('auto'))
    expect(shown).toHaveLength(6)
    expect(shown.join('\n')).not.toContain(secret.slice(0, 12))
    await router.close()
  })
})
