import type { StandardSchemaV1 } from '@standard-schema/spec'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { z } from 'zod'
import type { RouterOptions } from './config/options.ts'
import { cacheLayer } from './lifts.ts'
import { type HookOptions, type Plugin, type PluginServices, definePlugin } from './plugin.ts'
import type { Provider } from './providers/provider.ts'
import { plainReply } from './reply.ts'
import { createRouter } from './router.ts'
import type { Attempt, Call } from './types.ts'

const clock = createFakeClock()

function make(options: Partial<RouterOptions> = {}) {
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: (_options, { name }) => ({
      domain: name,
      send: async () =>
        plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: name, body: Buffer.from(name) }),
    }),
  }
  return createRouter({ models: { a: { provider, price: false }, b: { provider, price: false } }, clock, ...options })
}

const ask = (model = 'a') => ({ body: { model, messages: [] } })
const faultOf = (act: () => unknown): unknown => {
  try {
    return act()
  } catch (error) {
    return error
  }
}
const messageOf = (act: () => unknown) => (faultOf(act) as Error).message

describe('a plugin that takes options', () => {
  const region = definePlugin({
    name: 'region',
    options: z.object({ region: z.string(), weight: z.number().default(1) }),
    create: ({ region: name, weight }) => ({ version: `${name} ${weight}` }),
  })

  it('is made of them, with what the schema fills in', () => {
    expect(region({ region: 'eu' })).toEqual({ name: 'region', version: 'eu 1' })
    expectTypeOf(region).parameter(0).toEqualTypeOf<{ region: string; weight?: number | undefined }>()
  })

  it('may be made without, where the schema allows that', () => {
    const optional = definePlugin({ name: 'o', options: z.object({}).optional(), create: () => ({}) })
    expect(optional()).toEqual({ name: 'o' })
  })

  it('refuses what the schema refuses: every fault, where it is and what came', () => {
    const error = faultOf(() => region({ region: 7, weight: 'heavy' } as never))
    expect(error).toMatchObject({ code: 'invalid_config' })
    expect((error as Error).message).toBe(
      'The plugin "region" has 2 faults:\n  options.region: expected string, got 7\n  options.weight: expected number, got "heavy"',
    )
  })

  /** As arktype's: its constructor takes what is in it. */
  class OwnList extends Array<PropertyKey> {
    constructor(...items: readonly PropertyKey[]) {
      super()
      this.push(...items)
    }
  }
  it.each<[string, StandardSchemaV1.Issue, string]>([
    ['zod', { message: 'Invalid input: expected string, received number', path: ['a', 0] }, 'a[0]: expected string'],
    ['zod', { message: 'Invalid option: expected one of "a"|"b"', path: ['a', 0] }, 'a[0]: expected one of "a", "b"'],
    ['zod', { message: 'Too big: expected number to be <=1', path: ['a', 0] }, 'a[0]: expected number to be <=1'],
    ['zod', { message: 'Unrecognized key: "b"', path: ['a', 0] }, 'a[0]: expected no key "b"'],
    [
      'valibot',
      { message: 'Invalid type: Expected string but received 7', path: [{ key: 'a' }, { key: 0 }] },
      'a[0]: Invalid type: Expected string',
    ],
    [
      'arktype',
      { message: 'a[0] must be a string (was "s3cret")', path: new OwnList('a', 0) },
      'a[0]: a[0] must be a string',
    ],
  ])('says what %s says, without what came, where that is', (_vendor, issue, fault) => {
    const options: StandardSchemaV1 = {
      '~standard': {
        version: 1,
        vendor: 'mine',
        validate: () => ({ issues: [issue, { message: 'no', path: new OwnList() }] }),
      },
    }
    const plugin = definePlugin({ name: 'p', options, create: () => ({}) })
    expect(messageOf(() => plugin({ a: [7] }))).toBe(
      `The plugin "p" has 2 faults:\n  options.${fault}, got 7\n  options: no, got an object`,
    )
  })

  it('is named where its schema throws', () => {
    const validate = () => {
      throw new Error('no such locale')
    }
    const options: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'mine', validate } }
    const plugin = definePlugin({ name: 'p', options, create: () => ({}) })
    expect(faultOf(() => plugin({}))).toMatchObject({ code: 'invalid_config' })
    expect(messageOf(() => plugin({}))).toContain('"p" has a fault:\n  options: could not be checked: no such locale')
  })

  it('takes any Standard Schema, but none that answers by promise', () => {
    const schema = (result: unknown): StandardSchemaV1<string, string> => ({
      '~standard': { version: 1, vendor: 'mine', validate: () => result as { value: string } },
    })
    const plain = definePlugin({ name: 'p', options: schema({ value: 'v2' }), create: (version) => ({ version }) })
    expect(plain('anything')).toEqual({ name: 'p', version: 'v2' })
    const late = definePlugin({ name: 'p', options: schema(Promise.resolve({ value: 'v2' })), create: () => ({}) })
    expect(messageOf(() => late('x'))).toContain('answers by promise')
  })

  it('is checked as every plugin is', () => {
    const wrong = definePlugin({ name: 'p', options: z.any(), create: () => ({ cal: 1 }) as object })
    expect(messageOf(() => wrong())).toContain('got the key "cal"')
  })
})

describe('setting up', () => {
  it('gives store, ledger, events, clock, chance and logger', async () => {
    let given: PluginServices | undefined
    const router = make({ ledger: 'memory', plugins: [{ name: 'p', setup: (services) => void (given = services) }] })
    expect(given).toMatchObject({ clock, random: expect.any(Function), config: undefined })
    expect(given!.ledger).toBe(router.ledger)
    expect(given!.store.scope).toBe('process')
    expect(given!.events.on).toBeTypeOf('function')
    await router.close()
  })

  it('that fails keeps the router from starting, names the plugin, and closes those before it', () => {
    const close = vi.fn<() => void>()
    const plugins = [
      { name: 'before', close },
      { name: 'broken', setup: () => JSON.parse('{') as void },
      { name: 'behind', close: () => expect.unreachable() },
    ]
    expect(faultOf(() => make({ plugins }))).toMatchObject({ code: 'plugin_failed', plugin: 'broken' })
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('must be done at once', () => {
    const plugin = { name: 'late', setup: () => Promise.reject(new Error('later')) as unknown as void }
    expect(messageOf(() => make({ plugins: [plugin] }))).toContain('"late" could not be set up: setup must be done')
  })
})

describe('closing', () => {
  it('goes on without a plugin that throws, or takes longer than ten seconds, and tells of it', async () => {
    const closed: string[] = []
    const plugin = (name: string, close: Plugin['close']): Plugin => ({ name, close: close! })
    const router = make({
      plugins: [
        plugin('first', () => void closed.push('first')),
        plugin('endless', () => new Promise<void>(() => undefined)),
        plugin('broken', () => Promise.reject(new Error('no'))),
        plugin('last', () => void closed.push('last')),
      ],
    })
    const warnings: unknown[] = []
    router.on('warning', ({ plugin: name, message }) => warnings.push([name, message]))
    const closing = router.close()
    await clock.advance(10_001)
    await closing
    expect(closed).toEqual(['last', 'first'])
    expect(warnings).toEqual([
      ['broken', 'The plugin "broken" could not be closed: no'],
      ['endless', 'The plugin "endless" could not be closed: it took longer than 10000 ms'],
    ])
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('a key of the configuration', () => {
  const keyed = (config: Plugin['config'], seen?: (value: unknown) => void): Plugin => ({
    name: 'region',
    config: config!,
    setup: (services) => seen?.(services.config),
  })
  const withKey = (value: unknown, plugin: Plugin) =>
    make({ plugins: [plugin], ...({ region: value } as Partial<RouterOptions>) })

  it('under its own name is checked by its schema, and handed to it', () => {
    let seen: unknown
    withKey(
      { name: 'eu' },
      keyed(z.object({ name: z.string(), zones: z.array(z.string()).default([]) }), (value) => (seen = value)),
    )
    expect(seen).toEqual({ name: 'eu', zones: [] })
  })

  it('is refused with its path, also where it is missing', () => {
    const plugin = keyed(z.object({ name: z.string() }))
    expect(messageOf(() => withKey({ name: 1 }, plugin))).toContain('  region.name: expected string, got 1')
    expect(messageOf(() => make({ plugins: [plugin] }))).toContain('  region: expected object, got nothing')
  })

  it('is unknown without the plugin, and cannot be one of the core', () => {
    expect(messageOf(() => make({ region: 1 } as Partial<RouterOptions>))).toContain('region: unknown key')
    const greedy: Plugin = { ...keyed(z.any()), name: 'retry' }
    expect(messageOf(() => make({ plugins: [greedy] }))).toContain('has a key of its own by this name')
    expect(messageOf(() => make({ plugins: [{ ...keyed(z.any()), name: '../x' }] }))).toContain('letters, digits')
  })
})

describe('a strategy of a plugin', () => {
  const plugin: Plugin = {
    name: 'taste',
    strategies: {
      favourite:
        ({ of = 'b' }) =>
        (_call, candidates) =>
          candidates.toSorted((one, other) => Number(other.name === of) - Number(one.name === of)),
    },
  }

  it('is asked for by name, with options beside it', async () => {
    const routes = {
      b: { strategy: 'favourite', models: ['a', 'b'] },
      a: { strategy: { use: 'favourite', of: 'a' }, models: ['b', 'a'] },
    }
    const router = make({ routes, plugins: [plugin] })
    expect((await router.handle(ask('b'))).model).toBe('b')
    expect((await router.handle(ask('a'))).model).toBe('a')
    expect((await router.explain(ask('b'))).strategy).toBe('favourite')
  })

  it('is unknown without the plugin', () => {
    const routes = { r: { strategy: 'favourite', models: ['a'] } }
    expect(messageOf(() => make({ routes }))).toContain('no strategy is named "favourite"')
  })
})

describe('a plugin of one route', () => {
  const seen: string[] = []
  const counting = (name: string): Plugin => ({
    name,
    call: { stage: 'guard', run: (call, next) => (seen.push(`${name} call ${call.route}`), next(call)) },
    attempt: { stage: 'budget', run: (attempt, next) => (seen.push(`${name} attempt`), next(attempt)) },
  })
  const routes = {
    plain: { models: ['a'] },
    guarded: { models: ['a'], plugins: [counting('own')] },
    other: { models: ['b'], plugins: [counting('own')] },
  }

  it('runs for the calls of that route alone, among those of all routes', async () => {
    const router = make({ routes, plugins: [counting('all')] })
    await router.handle(ask('plain'))
    expect(seen.splice(0)).toEqual(['all call plain', 'all attempt'])
    await router.handle(ask('guarded'))
    expect(seen.splice(0)).toEqual(['all call guarded', 'own call guarded', 'all attempt', 'own attempt'])
    expect(router.order.some(({ plugin }) => plugin === 'own')).toBe(false)
    expect(Object.keys(router.routeOrders)).toEqual(['guarded', 'other'])
    expect(router.routeOrders['other']!.filter(({ plugin }) => plugin === 'own')).toEqual([
      { ring: 'call', plugin: 'own', stage: 'guard' },
      { ring: 'attempt', plugin: 'own', stage: 'budget' },
    ])
    await router.explain(ask('other'))
    expect(seen.splice(0)).toEqual(['all call other', 'own call other'])
  })

  it('is set up and closed with the others', async () => {
    const events: string[] = []
    const life: Plugin = { name: 'life', setup: () => void events.push('up'), close: () => void events.push('closed') }
    await make({ routes: { r: { models: ['a'], plugins: [life] } } }).close()
    expect(events).toEqual(['up', 'closed'])
  })

  it('is refused where one of its name stands for all routes, and where it does not fit among them', () => {
    expect(messageOf(() => make({ routes, plugins: [counting('own')] }))).toContain('"own" is there already')
    const needy: Plugin = { name: 'needy', requires: ['absent'] }
    expect(messageOf(() => make({ routes: { r: { models: ['a'], plugins: [needy] } } }))).toContain(
      'requires the plugin "absent"',
    )
  })

  it('cannot add what belongs to no route', () => {
    const plugin: Plugin = { name: 'pages', paths: [{ path: '/x', answer: () => ({ body: 'x' }) }] }
    expect(messageOf(() => make({ routes: { r: { models: ['a'], plugins: [plugin] } } }))).toContain(
      'routes.r.plugins[0]: "pages" has paths, which only a plugin for all routes can have',
    )
  })
})

describe('a plugin that says who calls', () => {
  const naming = (identity: unknown): Plugin => ({
    name: 'naming',
    call: { stage: 'identify', run: (call, next) => next({ ...call, identity: identity as Call['identity'] }) },
  })
  const asked = { ...ask(), identity: { user: 'host' } }

  it('is believed by the ledger as by the budgets', async () => {
    const router = make({
      plugins: [naming({ user: 7 })],
      ledger: 'memory',
      budgets: [{ per: 'user', window: 'day', limitUsd: 1 }],
    })
    await (
      await router.handle(asked)
    ).ended
    await clock.settle()
    const rows = [...router.ledger!.calls(), ...router.ledger!.attempts()]
    expect(rows.map(({ identity }) => identity)).toEqual([{ user: '7' }, { user: '7' }])
    await router.close()
  })

  it('bounds the call by what that one may spend on one', async () => {
    const price = { input: 1, output: 1 }
    const send = async () => plainReply({ ...answer, body: Buffer.from('') })
    const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'd', send }) }
    const router = make({ models: { a: { provider, price } }, plugins: [naming({ user: 'u', maxCostUsd: 1e-9 })] })
    await expect(router.handle(asked)).rejects.toMatchObject({ code: 'max_cost_exceeded' })
  })

  it.each([undefined, 'observe', 'identify'] as const)('at %s keeps that one from routes of others', async (stage) => {
    const { run } = naming({ user: 'u', routes: ['b'] }).call as HookOptions<Call>
    const router = make({ plugins: [{ name: 'naming', call: stage ? { stage, run } : run }] })
    await expect(router.handle(asked)).rejects.toMatchObject({ code: 'route_not_allowed' })
    expect((await router.handle(ask('b'))).model).toBe('b')
  })

  it.each(['guard', 'classify', 'cache', 'admit'] as const)(
    'is refused at %s, where others have gone by who it was',
    async (stage) => {
      const { run } = naming({ user: 'u' }).call as HookOptions<Call>
      const router = make({ plugins: [{ name: 'naming', call: { stage, run } }] })
      await expect(router.handle(asked)).rejects.toMatchObject({
        code: 'plugin_failed',
        message:
          'The plugin "naming" handed next no call in the call ring: expected the call, or a changed copy of it, got one of ' +
          'another caller, whom only a hook at "identify" or further out may name',
      })
    },
  )

  it('is refused in an attempt', async () => {
    const attempt: HookOptions<Attempt> = {
      stage: 'budget',
      run: (one, next) => next({ ...one, call: { ...one.call, identity: { user: 'u' } } }),
    }
    const router = make({ plugins: [{ name: 'naming', attempt }] })
    await expect(router.handle(asked)).rejects.toMatchObject({ code: 'plugin_failed' })
  })

  it('is told where that is nobody', async () => {
    const router = make({ plugins: [naming({ tags: 'one' })] })
    await expect(router.handle(asked)).rejects.toMatchObject({ code: 'internal_error' })
  })
})

const answer = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const

describe('a call that a plugin makes', () => {
  it('carries its parent, its identity and what is left of its time, and leaves the plugin out', async () => {
    const seen: Call[] = []
    let services: PluginServices | undefined
    const judge: Plugin = {
      name: 'judge',
      setup: (given) => void (services = given),
      call: {
        stage: 'classify',
        async run(call, next) {
          const verdict = await services!.handle(call, { ...ask('b'), timeoutMs: 400_000 })
          return next({ ...call, labels: { judged: verdict.model } })
        },
      },
    }
    const watch: Plugin = { name: 'watch', call: (call, next) => (seen.push(call), next(call)) }
    const router = make({ plugins: [watch, judge] })
    const { record, reply } = router.begin({
      ...ask(),
      id: 'outer',
      identity: { user: 'u1', maxCostUsd: 2 },
      timeoutMs: 9_000,
    })
    expect((await reply).model).toBe('a')
    const [outer, inner] = seen
    expect(seen).toHaveLength(2)
    expect(inner).toMatchObject({ parent: 'outer', identity: { user: 'u1' }, route: 'b', madeBy: ['judge'] })
    expect(inner!.deadline).toBe(outer!.deadline)
    expect(inner!.maxCostNanoUsd).toBe(2e9)
    expect(record.key).toBe(outer!.key)
    expect(outer!.madeBy).toBeUndefined()
  })

  it('may be made while the router waits for the last calls, and ends with its parent', async () => {
    let services: PluginServices | undefined
    let go: (() => void) | undefined
    const waits: Plugin = {
      name: 'waits',
      setup: (given) => void (services = given),
      call: async (call, next) => {
        await new Promise<void>((resolve) => (go = resolve))
        await services!.handle(call, ask('b'))
        return next(call)
      },
    }
    const router = make({ plugins: [waits] })
    const outer = router.handle(ask())
    await clock.settle()
    const closing = router.close()
    await expect(router.handle(ask())).rejects.toMatchObject({ code: 'shutting_down' })
    go!()
    expect((await outer).model).toBe('a')
    await closing
  })
})

describe('hookTimes', () => {
  it('tells how long each hook took by itself, outermost first', async () => {
    const slow =
      (ms: number): Plugin['call'] =>
      async (call, next) => {
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, ms))
        const reply = await next(call)
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, ms))
        return reply
      }
    const router = make({
      hookTimes: true,
      plugins: [
        { name: 'outer', call: slow(20)! },
        { name: 'inner', call: slow(5)! },
      ],
    })
    const { record, reply } = router.begin(ask())
    await clock.advance(100)
    await reply
    expect(record.hookTimes!.slice(0, 3)).toEqual([
      { ring: 'call', plugin: 'outer', ms: 40 },
      { ring: 'call', plugin: 'inner', ms: 10 },
      { ring: 'call', plugin: 'observe', ms: 0 },
    ])
    expect(record.hookTimes!.map(({ plugin }) => plugin)).toEqual(router.order.map(({ plugin }) => plugin))
    await router.close()
  })

  it('are not there unless they are asked for', async () => {
    const { record, reply } = make().begin(ask())
    await reply
    expect('hookTimes' in record).toBe(false)
  })
})

it('explains a decision also where a plugin reads answers, of which there is none', async () => {
  const reader = definePlugin({
    name: 'reader',
    call: {
      stage: 'guard',
      async run(call, next) {
        const reply = await next(call)
        return {
          ...reply,
          body: Buffer.from(JSON.stringify(JSON.parse(Buffer.from(reply.body as Uint8Array).toString()))),
        }
      },
    },
  })
  const router = make({ plugins: [reader] })
  expect((await router.explain(ask('b'))).candidates).toMatchObject([{ name: 'b' }])
  const never = definePlugin({ name: 'never', call: { stage: 'guard', run: () => Promise.reject(new Error('no')) } })
  await expect(make({ plugins: [never] }).explain(ask('b'))).rejects.toMatchObject({ plugin: 'never' })
})

it('may leave any of its parts out by undefined, as may its hooks', async () => {
  const nothing = { stage: undefined, enforce: undefined, before: undefined, after: undefined } as const
  const parts: Omit<Required<Plugin>, 'name' | 'setup' | 'close'> = {
    version: undefined,
    requires: undefined,
    call: undefined,
    attempt: { ...nothing, timeoutMs: undefined, onError: undefined, run: (attempt, next) => next(attempt) },
    route: undefined,
    strategies: undefined,
    config: undefined,
    paths: [
      {
        method: undefined,
        path: '/x',
        access: 'caller',
        answer: () => ({ status: undefined, headers: undefined, body: 'x' }),
      },
    ],
    commands: undefined,
  }
  const broken = cacheLayer(
    'broken',
    { get: () => Promise.reject(new Error('no network')), set: () => undefined },
    { onError: undefined, timeoutMs: undefined },
  )
  const router = make({ plugins: [definePlugin({ name: 'bare', ...parts }), broken] })
  await expect(router.handle(ask())).resolves.toMatchObject({ model: 'a' })
  const page = await router.fetch('http://in.process/v1/plugins/bare/x')
  expect([page.status, await page.text()]).toEqual([200, 'x'])
  await router.close()
})
