import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { SignalboxError } from '../errors.ts'
import { budgetGuard, cacheLayer, classifier, guard } from '../lifts.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { plainReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Handler } from '../types.ts'

const thrownBy = (act: () => unknown): unknown => {
  try {
    return act()
  } catch (error) {
    return error
  }
}
const run = <C>(call: C, next: Handler<C>) => next(call)
const answer = () => ({ body: 'x' })

describe('a declaration that is wrong', () => {
  const wrong: [string, object][] = [
    [
      'call: expected one of run, stage, enforce, before, after, timeoutMs, onError, got the key "stag"',
      { call: { run, stag: 'guard' } },
    ],
    ['call.run: expected a function, got nothing', { call: { stage: 'guard' } }],
    ['call: expected a function or { run }, got "x"', { call: 'x' }],
    ['attempt.timeoutMs: expected a number, got "5s"', { attempt: { run, timeoutMs: '5s' } }],
    ['call.timeoutMs: expected a number above 0, got -1', { call: { run, timeoutMs: -1 } }],
    ['call.onError: expected one of "open", "closed", got "opne"', { call: { run, onError: 'opne' } }],
    ['call.before: expected a name, or a list of names, got 5', { call: { run, before: 5 } }],
    ['requires: expected a list, got "cache"', { requires: 'cache' }],
    ['version: expected a string, got 5', { version: 5 }],
    ['route: expected a function, got "x"', { route: 'x' }],
    ['strategies.near: expected a function, got an object', { strategies: { near: {} } }],
    ['config: expected a Standard Schema, got an object', { config: {} }],
    ['setup: expected a function, got an object', { setup: {} }],
    ['close: expected a function, got "x"', { close: 'x' }],
    [
      'paths[0].path: expected a path such as "/report", or "/report/*" for all below, got "report"',
      { paths: [{ path: 'report', answer }] },
    ],
    [
      'paths[0].path: expected a path such as "/report", or "/report/*" for all below, got "/*/x"',
      { paths: [{ path: '/*/x', answer }] },
    ],
    ['paths[0].method: expected a method in capitals, got "post"', { paths: [{ method: 'post', path: '/x', answer }] }],
    [
      'paths[0].access: expected one of "operator", "caller", got "all"',
      { paths: [{ path: '/x', access: 'all', answer }] },
    ],
    ['paths[0].answer: expected a function, got nothing', { paths: [{ path: '/x' }] }],
    [
      'paths[1]: "GET /x" is there already',
      {
        paths: [
          { path: '/x', answer },
          { method: 'GET', path: '/x', answer },
        ],
      },
    ],
    [
      'paths[0]: expected one of method, path, access, answer, got the key "url"',
      { paths: [{ path: '/x', answer, url: '' }] },
    ],
    ['commands.go: expected an object, got a function', { commands: { go: answer } }],
    ['commands.go.summary: expected a string, got nothing', { commands: { go: { run: answer } } }],
  ]

  it.each(wrong)('is refused, with its place, what was expected and what came: %s', (fault, parts) => {
    const error = thrownBy(() => definePlugin({ name: 'p', ...parts } as Plugin))
    expect(error).toMatchObject({ code: 'invalid_config', message: `The plugin "p" has a fault:\n  ${fault}` })
  })

  it('has all its faults told at once, also where it is made of options', () => {
    const make = definePlugin({ name: 'p', options: z.any(), create: () => ({ route: 1, close: 2 }) as object })
    expect(thrownBy(make)).toMatchObject({
      message: 'The plugin "p" has 2 faults:\n  route: expected a function, got 1\n  close: expected a function, got 2',
    })
  })

  it('is none with everything that there is', () => {
    const whole = {
      version: '1',
      requires: ['cache'],
      call: { run, stage: 'guard', enforce: 'pre', before: 'a', after: ['b'], timeoutMs: 5, onError: 'open' },
      attempt: run,
      route: (_call, ranked, attempt) => attempt(ranked[0]!),
      strategies: { near: () => () => [] },
      config: z.object({}),
      paths: [
        { path: '/', answer },
        { path: '/x', answer, access: 'caller' },
        { path: '/x/*', answer },
        { path: '/x', method: 'POST', answer },
      ],
      commands: { go: { summary: 'goes', run: () => 0 } },
      setup: () => undefined,
      close: () => undefined,
    } satisfies Omit<Plugin, 'name'>
    expect(definePlugin({ name: 'p', ...whole })).toEqual({ name: 'p', ...whole })
  })
})

describe('a strategy of a plugin', () => {
  const made = (strategy: unknown) => {
    const plugins = [definePlugin({ name: 'p', strategies: { near: strategy as () => never } })]
    return thrownBy(() => createRouter({ models, routes: { r: { models: ['a'], strategy: 'near' } }, plugins }))
  }

  it.each([
    ['nothing', () => undefined],
    ['an object', () => ({})],
    ['an object', () => ({ rank: () => [] })],
    ['an object', async () => () => []],
    ['an object', () => Promise.reject(new Error('late'))],
  ])('is refused where it is none: %s', (came, strategy) => {
    expect(made(strategy)).toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(new RegExp(`strategies\\.near: expected .*, got ${came}$`)),
    })
  })

  it('that cannot be made is named', () => {
    expect(made(() => JSON.parse('{'))).toMatchObject({
      code: 'plugin_failed',
      message: expect.stringContaining('"near" could not be made'),
    })
  })
})

describe('what makes a plugin', () => {
  it.each([
    ['classify: expected a function, got nothing', () => classifier('p', undefined as never)],
    ['check: expected a function, got "no"', () => guard('p', 'no' as never)],
    ['hold: expected a function, got nothing', () => budgetGuard('p', {} as never)],
    ['settle: expected a function, got 5', () => budgetGuard('p', { hold: () => 1, settle: 5 as never })],
    ['set: expected a function, got nothing', () => cacheLayer('p', { get: () => undefined } as never)],
    ['create: expected a function, got 5', () => definePlugin({ name: 'p', options: z.any(), create: 5 as never })],
  ])('is refused where it is none: %s', (fault, make) => {
    expect(thrownBy(make)).toMatchObject({ message: `The plugin "p" has a fault:\n  ${fault}` })
  })

  it('names the plugin when it throws, or makes nothing', () => {
    const made = (create: () => object) => thrownBy(definePlugin({ name: 'p', options: z.any(), create }))
    expect(made(() => JSON.parse('{') as object)).toMatchObject({ code: 'plugin_failed', plugin: 'p' })
    const own = new SignalboxError('invalid_config', 'mine')
    expect(
      made(() => {
        throw own
      }),
    ).toBe(own)
    expect(made(() => undefined as never)).toMatchObject({ message: expect.stringContaining('got nothing') })
    for (const promised of [async () => ({}), () => Promise.reject(new Error('late'))])
      expect(made(promised)).toMatchObject({ message: expect.stringContaining('got a promise') })
  })
})

const provider = {
  name: 'own',
  dialect: 'openai-chat',
  connect: () => ({
    domain: 'a',
    send: async () =>
      plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body: Buffer.from('{}') }),
  }),
} as const
const models = { a: { provider, price: false } } as const

it('a plugin that stands on two routes is set up and closed once', async () => {
  const [setup, close] = [vi.fn<() => void>(), vi.fn<() => void>()]
  const plugins = [definePlugin({ name: 'p', setup, close })]
  const router = createRouter({ models, routes: { one: { models: ['a'], plugins }, two: { models: ['a'], plugins } } })
  await router.close()
  expect([setup.mock.calls.length, close.mock.calls.length]).toEqual([1, 1])
})

it('a route hook stands in the order between the rings, on its own route alone', async () => {
  const hook = definePlugin({ name: 'first-only', route: (_call, ranked, attempt) => attempt(ranked[0]!) })
  const router = createRouter({ models, routes: { own: { models: ['a'], plugins: [hook] } } })
  const line = { ring: 'route', plugin: 'first-only', stage: 'route' }
  const order = router.routeOrders['own']!
  expect(order).toContainEqual(line)
  expect(order.map(({ ring }) => ring).filter((ring, index, all) => ring !== all[index - 1])).toEqual([
    'call',
    'route',
    'attempt',
  ])
  expect(router.order).not.toContainEqual(line)
  await router.close()
})

it.each([
  ['a text', 'code'],
  ['a list', ['code']],
  ['a number by its name', { length: 5 }],
])('a classifier that gives %s in place of labels is named, and what it gave is told', async (_what, given) => {
  const router = createRouter({ models, plugins: [classifier('p', (() => given) as never)] })
  const error = await router.handle({ body: { model: 'a', messages: [] } }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'plugin_failed', plugin: 'p' })
  expect(String((error as Error).cause)).toContain(`got ${JSON.stringify(given)}`)
  await router.close()
})
