import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSignalboxError } from '../errors.ts'
import { strategyNames } from '../strategies/index.ts'
import { validateConfig } from './validate.ts'

const model = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9001/v1' }
const twice = { input: 1, output: 1, tiers: [2, 3].map((input) => ({ aboveInputTokens: 9, input, output: 1 })) }
const log = () => undefined
const config = (rest: object = {}) => ({ models: { a: model, b: model }, ...rest })

/** The faults of a configuration, one a line, as they are shown. */
function faultsOf(options: unknown): string[] {
  try {
    validateConfig(options, strategyNames)
  } catch (error) {
    if (!isSignalboxError(error) || error.code !== 'invalid_config') throw error
    const [head, ...lines] = error.message.split('\n')
    const count = lines.length === 1 ? 'a fault' : `${lines.length} faults`
    if (head !== `The configuration has ${count}:`) throw new Error(`The head is wrong: ${head}`, { cause: error })
    return lines.map((line) => line.trim())
  }
  return []
}

/** An object as a file gives it: names such as `__proto__` are its own. */
const fromFile = (text: string) => JSON.parse(text) as object

describe('a configuration', () => {
  it('is handed back as it is when it has no fault', () => {
    const options = config({
      routes: { auto: { models: ['a', { model: 'b', weight: 3 }], fallback: ['a'], strategy: 'weighted' } },
    })
    expect(validateConfig(options, strategyNames)).toBe(options)
  })

  it('may hold everything that the design shows', () => {
    const options = {
      $schema: './schema.json',
      version: 1,
      models: {
        a: {
          ...model,
          model: 'gpt-4.1',
          apiKey: 'k',
          headers: { 'x-team': 't' },
          weight: 1,
          tags: ['premium'],
          domain: 'acct-1',
          reasoning: false,
          retry: { maxAttempts: 2 },
          timeouts: { connectMs: 5, firstTokenMs: 5 },
        },
        b: { provider: 'openai' },
      },
      routes: {
        auto: {
          strategy: { use: 'weighted' },
          models: ['a', { model: 'b', weight: 25 }],
          fallback: ['b'],
          retry: { maxAttemptsPerCall: 3 },
          timeouts: { callMs: 7 },
        },
      },
      retry: { maxAttempts: 3, maxAttemptsPerCall: 6 },
      timeouts: { connectMs: 5000, firstTokenMs: 30000, answerMs: 120000, stallMs: 30000, callMs: 180000 },
      maxRequestBytes: 1,
      maxResponseBytes: 1,
      decisionHeaders: false,
    }
    expect(faultsOf(options)).toEqual([])
  })

  it('in code may hold functions and objects besides', () => {
    const options = {
      models: {
        a: { ...model, apiKey: async () => 'k', dispatcher: { dispatch: log } },
        b: { provider: { name: 'own', dialect: 'openai-chat', connect: log } },
      },
      routes: { f: { models: ['a'], strategy: log }, o: { models: ['a'], strategy: { name: 'own', rank: log } } },
      plugins: [{ name: 'p' }],
      logger: { debug: log, info: log, warn: log, error: log },
      clock: { now: log },
      random: Math.random,
    }
    expect(faultsOf(options)).toEqual([])
  })

  it('lists every fault at once, each with its path and what came', () => {
    const options = {
      version: 2,
      models: {
        a: { provider: 'openai-compatible', weight: -1 },
        b: { provider: 'gemini' },
        c: { ...model, tags: 'premium', timeouts: { stallMs: 0 } },
        d: { ...model, weight: Number.NaN },
      },
      routes: { auto: { models: ['a', 'z', 'a'], fallback: ['y'], strategy: 'best' }, none: { models: [] } },
      retry: { maxAttempts: 1.5 },
      timeouts: { callMs: 'long' },
      maxRequestBytes: null,
      decisionHeaders: 'yes',
    }
    const faults = faultsOf(options)
    for (const [path, came] of [
      ['version', 'got 2'],
      ['models.a.baseUrl', 'got nothing'],
      ['models.a.weight', 'got -1'],
      ['models.d.weight', 'got NaN'],
      ['models.b.provider', `expected 'openai', 'anthropic', 'openai-compatible' or a provider, got "gemini"`],
      ['models.c.tags', 'got "premium"'],
      ['models.c.timeouts.stallMs', 'got 0'],
      ['routes.auto.models[1]', 'no model is named "z"; there are a, b, c, d'],
      ['routes.auto.models[2]', '"a" is listed twice'],
      ['routes.auto.fallback[0]', 'no model is named "y"'],
      ['routes.auto.strategy', '"best"'],
      ['routes.none.models', 'got an array of 0'],
      ['retry.maxAttempts', 'got 1.5'],
      ['timeouts.callMs', 'got "long"'],
      ['maxRequestBytes', 'got null'],
      ['decisionHeaders', 'got "yes"'],
    ])
      expect(faults.filter((line) => line.startsWith(`${path}`) && line.includes(came!))).not.toEqual([])
  })

  it.each([[undefined], [null], ['text'], [5], [[]], [() => undefined]])('that is %o is refused', (options) => {
    expect(faultsOf(options)).toHaveLength(1)
    expect(faultsOf(options)[0]).toMatch(/^\(top\): expected an object, got /)
  })

  it.each(['weighted', { use: 'round-robin' }] as const)(
    'names a route of %j on which no model has a weight',
    (strategy) => {
      const models = { a: { ...model, weight: 0 }, b: model }
      const of = (route: object) => faultsOf({ models, routes: { auto: { strategy, ...route } } })
      const fault = 'routes.auto.models: expected a weight above 0 for one of them at least, got 0 for all'
      expect(of({ models: ['a', { model: 'b', weight: 0 }] })).toEqual([fault])
      expect(of({ models: [{ model: 'a', weight: 1e308 }] })).toEqual([
        'routes.auto.models[0].weight: expected a number of 1000000000 at the most, got 1e+308',
      ])
      expect(of({ models: [{ model: 'a', weight: 1 }] })).toEqual([])
      expect(of({ models: ['a'], fallback: ['b'] })).toEqual([])
    },
  )

  it('has no budget that never sends calls by another route though it says so', () => {
    const budget = { per: 'model', limitUsd: 1, window: 'day', degrade: { at: 0.9, routes: { a: 'b' } } }
    expect(faultsOf(config({ budgets: [{ ...budget, per: 'all' }] }))).toEqual([])
    expect(faultsOf(config({ budgets: [budget] }))).toEqual([
      'budgets[0].degrade: expected a budget of what is known before a model is chosen, got one per model',
    ])
  })

  it('is read by the part of it that it was meant for', () => {
    const latency = { models: ['a'], strategy: { use: 'least-latency', windowMs: 'x', window: 1 } }
    expect(faultsOf(config({ routes: { auto: latency } }))).toEqual([
      'routes.auto.strategy.windowMs: expected a number, got "x"',
      'routes.auto.strategy.window: unknown key, got 1',
    ])
    expect(faultsOf(config({ routes: { auto: { models: ['a'], strategy: 5 } } }))).toEqual([
      'routes.auto.strategy: expected a strategy, its name or a rank function, got 5',
    ])
    expect(faultsOf(config({ retry: 'never' }))).toEqual(['retry: expected an object, or false, got "never"'])
    expect(faultsOf({ models: { a: { ...model, provider: 'gemini', weight: 'x' } } })[0]).toMatch(
      /^models\.a\.provider: /,
    )
  })

  it('is refused where what loads it is not awaited', () => {
    expect(faultsOf(Promise.resolve(config()))).toEqual(['(top): expected a configuration, got a promise: await it'])
  })

  it.each([
    [{ timeouts: { callMs: 0 } }, 'timeouts.callMs: expected a number above 0, got 0'],
    [{ retry: { maxAttempts: 1.5 } }, 'retry.maxAttempts: expected a whole number, got 1.5'],
    [{ unknownPrice: 'ask' }, 'unknownPrice: expected one of "reject", "highest-known", "free", or false, got "ask"'],
    [{ ledger: '' }, 'ledger: expected a text of 1 or more characters, got ""'],
    [{ store: 'sqlite::memory:' }, 'store: expected "memory" or "sqlite:" and a file, or false, got "sqlite::memory:"'],
    [{ ledger: 'sqlite:x.db' }, 'ledger: expected a SQLite file by its name alone, or "memory", got "sqlite:x.db"'],
    [{ ledger: ':memory:' }, 'ledger: expected a SQLite file by its name alone, or "memory", got ":memory:"'],
    [{ ledger: 'Memory ' }, 'ledger: expected a SQLite file by its name alone, or "memory", got "Memory "'],
    [
      { models: { a: { ...model, price: { input: 1.5e-7, output: 0 } } } },
      'models.a.price.input: expected USD per million tokens: 0, or 0.000001 or more, got 1.5e-7',
    ],
    [
      { models: { a: { ...model, price: twice } } },
      'models.a.price.tiers: expected tiers of different aboveInputTokens, got an array of 2',
    ],
    [{ ledger: 'postgres://db' }, 'ledger: expected a SQLite file by its name alone, or "memory", got "postgres://db"'],
    [
      { routes: { auto: { strategy: { use: 'cascade', cheap: ['a'], strong: ['b'], verify: 'nice' } } } },
      'routes.auto.strategy.verify: expected a verifier or a list of them: "schema", "tools", or an object with "use": "regex", "agreement" or "judge", got "nice"',
    ],
    [{ budgets: {} }, 'budgets: expected a list, or false, got an object'],
    [
      { keys: [{ name: 'a', key: 'k', expiresAt: '31.12.2027' }] },
      'keys[0].expiresAt: expected a time such as "2027-01-31" or "2027-01-31T12:00Z", got a string (not shown)',
    ],
  ])('says in words what was expected: %j', (wrong, told) => {
    expect(faultsOf(config(wrong))).toEqual([told])
  })

  it('needs a model', () => {
    expect(faultsOf({})).toEqual(['models: expected an object, got nothing'])
    expect(faultsOf({ models: {} })).toEqual(['models: expected at least one model, got an object'])
  })

  it('says what came instead, shortly', () => {
    const [fault] = faultsOf(config({ decisionHeaders: 'x'.repeat(500) }))
    expect(fault!.length).toBeLessThan(200)
  })

  it('is refused or taken, and never anything else, whatever it is', () => {
    const anything = fc.oneof(
      fc.anything(),
      fc.record({ models: fc.anything(), routes: fc.anything() }),
      fc.record({
        models: fc.dictionary(fc.string(), fc.anything()),
        routes: fc.dictionary(fc.string(), fc.anything()),
        plugins: fc.anything(),
      }),
    )
    fc.assert(
      fc.property(anything, (options) => {
        expect(() => faultsOf(options)).not.toThrow()
      }),
      { numRuns: 150 },
    )
  })
})

describe('unknown keys', () => {
  it('are refused on every level, by their path', () => {
    const options = {
      models: { a: { ...model, wieght: 1, timeouts: { slowMs: 1 }, retry: { times: 3 } } },
      routes: { auto: { models: ['a', { model: 'a', share: 1 }], fallbacks: ['a'] } },
      cahce: {},
    }
    const faults = faultsOf(options)
    for (const path of [
      'models.a.wieght',
      'models.a.timeouts.slowMs',
      'models.a.retry.times',
      'routes.auto.models[1].share',
      'routes.auto.fallbacks',
      'cahce',
    ])
      expect(faults.filter((line) => line.startsWith(`${path}: unknown key`))).toHaveLength(1)
  })

  it.each([
    'retry',
    'timeouts',
    'breaker',
    'health',
    'limits',
    'plugins',
    'cache',
    'budgets',
    'unknownPrice',
    'keys',
    'store',
    'ledger',
  ])('false switches %s off', (feature) => {
    expect(faultsOf(config({ [feature]: false }))).toEqual([])
  })

  it.each(['retry', 'timeouts', 'breaker', 'health', 'limits'])(
    'false switches %s off for a route and for a model',
    (feature) => {
      expect(
        faultsOf({
          models: { a: { ...model, [feature]: false } },
          routes: { auto: { models: ['a'], [feature]: false } },
        }),
      ).toEqual([])
    },
  )

  it('are routes that a budget sends by each other', () => {
    const faultsWith = (routes: object) =>
      faultsOf({
        models: { a: model, b: model, c: model, d: model },
        budgets: [{ per: 'all', window: 'day', limitUsd: 1, degrade: { at: 0.5, routes } }],
      })
    expect(faultsWith({ a: 'b', b: 'c', c: 'b', d: 'd' })).toEqual([
      'budgets[0].degrade.routes.b: expected no circle, got b -> c -> b',
      'budgets[0].degrade.routes.c: expected no circle, got c -> b -> c',
      'budgets[0].degrade.routes.d: expected no circle, got d -> d',
    ])
    expect(faultsWith({ a: 'b', b: 'c', d: 'c' })).toEqual([])
  })

  it('are what a breaker is whose longest time is shorter than its first', () => {
    const expected = 'breaker: expected openMs <= maxOpenMs, got an object'
    expect(faultsOf(config({ breaker: { openMs: 10, maxOpenMs: 5 } }))).toEqual([expected])
    expect(faultsOf(config({ breaker: { openMs: 600_000 } }))).toEqual([])
  })

  it('are what callMs and maxAttemptsPerCall are on a model, and connectMs on a route', () => {
    const options = {
      models: { a: { ...model, timeouts: { callMs: 1 }, retry: { maxAttemptsPerCall: 1 } } },
      routes: { auto: { models: ['a'], timeouts: { connectMs: 1 } } },
    }
    expect(faultsOf(options).map((line) => line.split(':')[0])).toEqual([
      'models.a.retry.maxAttemptsPerCall',
      'models.a.timeouts.callMs',
      'routes.auto.timeouts.connectMs',
    ])
  })
})

describe('headers', () => {
  const faultOf = (headers: object) => faultsOf({ models: { a: { ...model, headers } } })

  it.each(['Content-Length', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect'])(
    'cannot be %s, with which no request could be sent',
    (header) => {
      expect(faultOf({ [header]: '1' })).toEqual([
        expect.stringMatching(/^models\.a\.headers\..*: expected a header of one's own/),
      ])
    },
  )

  it('are what HTTP can carry', () => {
    expect(faultOf({ 'x-city': 'Đà Nẵng' })).toEqual([expect.stringContaining('expected a header value')])
    expect(
      faultOf({ 'x-city': 'Zürich\t(CH)', 'content-length-hint': '5', host: 'models.internal', connection: 'close' }),
    ).toEqual([])
  })
})

describe('secrets', () => {
  const secret = 'sk-proj-0123456789abcdefghij'

  it.each<[string, object]>([
    ['a key that is no text', { models: { a: { ...model, apiKey: { value: secret } } } }],
    ['a key with a line end', { models: { a: { ...model, apiKey: `${secret}\n` } } }],
    ['a key in a list', { models: { a: { ...model, apiKey: [secret] } } }],
    ['a key whose name is misspelt', { models: { a: { ...model, apikey: secret } } }],
    ['a key under another name', { models: { a: { ...model, api_key: secret } } }],
    ['a key at the top', { models: { a: model }, apiKey: secret }],
    ['a token at the top', { models: { a: model }, openaiToken: secret }],
    ['a header', { models: { a: { ...model, headers: { authorization: `${secret}\r\n` } } } }],
    ['headers that are none', { models: { a: { ...model, headers: `authorization: ${secret}` } } }],
    ['a header at the top', { models: { a: model }, headers: { authorization: secret } }],
    ['a URL with a password', { models: { a: { ...model, baseUrl: `ftp://user:${secret}@host/v1` } } }],
    ['a URL with a key', { models: { a: { ...model, baseUrl: `host/v1?key=${secret}` } } }],
    ['keys of callers', { models: { a: model }, keys: secret }],
  ])('are not shown: %s', (_what, options) => {
    const faults = faultsOf(options)
    expect(faults).not.toEqual([])
    for (let at = 0; at + 12 <= secret.length; at++) expect(faults.join('\n')).not.toContain(secret.slice(at, at + 12))
  })

  it('leave the rest to be seen', () => {
    expect(faultsOf({ models: { a: { ...model, baseUrl: 'localhost:9001/v1' } } })[0]).toContain(
      'got "localhost:9001/v1"',
    )
    expect(faultsOf({ models: { a: { ...model, apiKey: 5 } } })[0]).toContain('got a number')
  })
})

describe('names', () => {
  it.each([['a b'], ['gpt-4.1'], ['Claude (EU)'], ['x'], ['openai/gpt-4.1:free'], ['x'.repeat(200)]])(
    'may be %j',
    (name) => {
      expect(faultsOf({ models: { [name]: model }, routes: { [name]: { models: [name] } } })).toEqual([])
    },
  )

  it.each([
    [''],
    [' a'],
    ['a '],
    ['a\r\nx-evil: 1'],
    ['a\nb'],
    ['a\u0000b'],
    ['thế-giới'],
    ['x'.repeat(201)],
    ['\u001b[31m'],
  ])('may not be %j, which no header can carry', (name) => {
    expect(faultsOf({ models: { [name]: model } })).not.toEqual([])
    expect(faultsOf({ models: { a: model }, routes: { [name]: { models: ['a'] } } })).not.toEqual([])
    expect(faultsOf({ models: { a: { ...model, model: name } } })).not.toEqual([])
  })

  it.each([['constructor'], ['toString'], ['hasOwnProperty'], ['valueOf']])(
    'may be %s, and mean nothing but themselves',
    (name) => {
      const options = fromFile(
        `{"models":{"${name}":${JSON.stringify(model)}},"routes":{"auto":{"models":["${name}"]},"r":{"models":["${name}"]}}}`,
      )
      expect(faultsOf(options)).toEqual([])
      expect(faultsOf({ models: { a: model }, routes: { auto: { models: [name] } } })).toEqual([
        expect.stringContaining(`no model is named "${name}"`),
      ])
      expect(faultsOf({ models: { a: model }, routes: { auto: { models: ['a'], strategy: name } } })).not.toEqual([])
      expect(faultsOf({ models: { a: { provider: name } } })).not.toEqual([])
    },
  )

  it.each([
    ['a model', `{"models":{"a":${JSON.stringify(model)},"__proto__":{"provider":5}}}`, 'models.__proto__'],
    [
      'a route',
      `{"models":{"a":${JSON.stringify(model)}},"routes":{"__proto__":{"models":["a"]}}}`,
      'routes.__proto__',
    ],
    [
      'a tier',
      `{"models":{"a":${JSON.stringify(model)}},"tiers":{"__proto__":{"concurrency":"x"}}}`,
      'tiers.__proto__',
    ],
    [
      'a header',
      `{"models":{"a":{"provider":"openai","headers":{"__proto__":{"x":1}}}}}`,
      'models.a.headers.__proto__',
    ],
    ['a section', `{"models":{"a":${JSON.stringify(model)}},"__proto__":{"retry":5}}`, '__proto__'],
    ["a model's setting", `{"models":{"a":{"provider":"openai","__proto__":{"weight":-1}}}}`, 'models.a.__proto__'],
  ])('may not be __proto__: %s', (_what, text, path) => {
    expect(faultsOf(fromFile(text)).filter((line) => line.startsWith(`${path}:`))).toHaveLength(1)
  })

  it('of a route may be that of a model, and then mean the route', () => {
    expect(faultsOf(config({ routes: { a: { models: ['b'] } } }))).toEqual([])
  })
})

describe('references', () => {
  it('to models must be known, in the list and in the fallback, and not repeat', () => {
    const options = config({
      routes: { auto: { models: ['a', { model: 'x' }, { model: 'a' }], fallback: ['b', 'y', 'b'] } },
    })
    expect(faultsOf(options)).toEqual([
      'routes.auto.models[1]: no model is named "x"; there are a, b',
      'routes.auto.models[2]: "a" is listed twice',
      'routes.auto.fallback[1]: no model is named "y"; there are a, b',
      'routes.auto.fallback[2]: "b" is listed twice',
    ])
  })

  it('may not be to routes', () => {
    expect(faultsOf(config({ routes: { auto: { models: ['a'] }, other: { models: ['auto'] } } }))).toHaveLength(1)
  })

  it('to a strategy name it among those there are', () => {
    const [fault] = faultsOf(config({ routes: { auto: { models: ['a'], strategy: 'fastest' } } }))
    for (const name of strategyNames) expect(fault).toContain(name)
  })

  it('are checked also where other things are wrong', () => {
    expect(
      faultsOf({ models: { a: { provider: 'openai', weight: 'x' } }, routes: { auto: { models: ['b'] } } }),
    ).toHaveLength(2)
  })
})

it('refuses strategies of plugins that have a name already, and says whose it is', () => {
  const of = (name: string, ...strategies: readonly string[]) => ({
    name,
    strategies: Object.fromEntries(strategies.map((strategy) => [strategy, () => () => []])),
  })
  const models = { a: { provider: 'openai', apiKey: 'sk' } }
  expect(() =>
    validateConfig({ models, plugins: [of('one', 'mine'), of('two', 'other')] }, strategyNames),
  ).not.toThrow()
  expect(() => validateConfig({ models, plugins: [of('one', 'mine'), of('two', 'mine', 'ordered')] }, strategyNames))
    .toThrow(`The configuration has 2 faults:
  plugins.two.strategies.mine: there is a strategy by this name of the plugin "one"
  plugins.two.strategies.ordered: there is a strategy by this name built in`)
})
