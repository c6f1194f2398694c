import { createFakeClock, createSimulatedDispatcher } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  type CallInit,
  type RankFunction,
  type RouteOptions,
  type RouterOptions,
  byCascade,
  byComplexity,
  byRules,
  classifier,
  createRouter,
  definePlugin,
  openaiCompatible,
} from '../index.ts'

const prices = {
  deepseek: { input: 0.3, output: 1.2 },
  gemini: { input: 0.1, output: 2.5 },
  claude: { input: 3, output: 15 },
  gpt: { input: 2, output: 8 },
} as const
type Name = keyof typeof prices

/** Monday, 5 January 2026, 12:00 UTC. */
const mondayNoon = Date.UTC(2026, 0, 5, 12)

/** Decides over four models as the route says, without sending. */
async function decide(
  route: RouteOptions,
  init: Partial<Omit<CallInit, 'body'>> & { body?: object; labels?: Readonly<Record<string, string>> } = {},
  options: Partial<RouterOptions> & { timeMs?: number } = {},
) {
  const { labels = {}, body, ...call } = init
  const { timeMs = mondayNoon, ...rest } = options
  const clock = createFakeClock({ wallTime: timeMs })
  const dispatcher = createSimulatedDispatcher({ clock })
  const models = Object.fromEntries(
    Object.entries(prices).map(([name, price]) => [
      name,
      openaiCompatible({ baseUrl: `http://${name}.invalid/v1`, model: name, dispatcher, price }),
    ]),
  )
  const router = createRouter({
    models,
    routes: { auto: route },
    clock,
    plugins: [classifier('test', () => labels)],
    ...rest,
  })
  const { candidates } = await router.explain({
    ...call,
    body: { model: 'auto', messages: [{ role: 'user', content: 'Hello' }], ...body },
  })
  await router.close()
  return candidates
}

const namesOf = async (...given: Parameters<typeof decide>) => (await decide(...given)).map(({ name }) => name)
const all: readonly Name[] = ['claude', 'gpt', 'gemini', 'deepseek']

describe('cheapest', () => {
  const route: RouteOptions = { strategy: 'cheapest', models: all }

  it('ranks by what this call is likely to cost: a long question and a short answer are not a short and a long', async () => {
    const long = [{ role: 'user', content: 'word '.repeat(20_000) }]
    expect(await namesOf(route, { body: { messages: long, max_tokens: 10 } })).toEqual([
      'gemini',
      'deepseek',
      'gpt',
      'claude',
    ])
    expect(await namesOf(route, { labels: { expectedLength: 'long' } })).toEqual([
      'deepseek',
      'gemini',
      'gpt',
      'claude',
    ])
  })

  it('takes a label that says no length for none', async () => {
    const usual = await namesOf(route)
    expect(await namesOf(route, { labels: { expectedLength: 'constructor' } })).toEqual(usual)
  })

  it('says what it reckons with', async () => {
    const [first] = await decide(route, { body: { max_tokens: 100 } })
    expect(first).toMatchObject({
      name: 'deepseek',
      reason: expect.stringMatching(/^about 0\.00012\d+ USD for this call$/),
    })
  })

  it('leaves out what costs more than the call may, while anything else is there', async () => {
    expect(await namesOf({ ...route, maxCostUsd: 0.002 })).toEqual(['deepseek', 'gemini'])
    expect(await namesOf({ ...route, maxCostUsd: 0.000_001 })).toHaveLength(4)
  })

  it('puts a model whose price nobody knows last', async () => {
    const unknown = openaiCompatible({ baseUrl: 'http://x.invalid/v1', model: 'of-my-own' })
    const known = openaiCompatible({ baseUrl: 'http://y.invalid/v1', model: 'y', price: prices.claude })
    const options = { models: { unknown, known } }
    const ranked = await decide({ strategy: 'cheapest', models: ['unknown', 'known'] }, {}, options)
    expect(ranked).toMatchObject([{ name: 'known' }, { name: 'unknown', reason: 'its price is unknown' }])
  })
})

describe('complexity', () => {
  const strategy = byComplexity({ simple: ['deepseek', 'gemini'], complex: ['gpt', 'claude'] })

  it('takes the level of the label, then stronger ones, then weaker ones; the route needs no list of its own', async () => {
    expect(await decide({ strategy }, { labels: { complexity: 'complex' } })).toMatchObject([
      { name: 'gpt', reason: expect.stringContaining('complex by its label') },
      { name: 'claude' },
      { name: 'deepseek', reason: expect.stringContaining('behind complex: simple') },
      { name: 'gemini' },
    ])
    expect(await namesOf({ strategy }, { labels: { complexity: 'simple' } })).toEqual([
      'deepseek',
      'gemini',
      'gpt',
      'claude',
    ])
    expect(await namesOf({ strategy }, { labels: { complexity: 'moderate' } })).toEqual([
      'gpt',
      'claude',
      'deepseek',
      'gemini',
    ])
  })

  it('guesses where no classifier has said anything', async () => {
    const [easy] = await decide({ strategy })
    expect(easy).toMatchObject({ name: 'deepseek', reason: expect.stringContaining('simple by the heuristic') })
    const content = 'Compare, analyze and optimize this design:\n```\nclass A {}\n```'
    const [hard] = await decide({ strategy }, { body: { messages: [{ role: 'user', content }] } })
    expect(hard).toMatchObject({ name: 'gpt', reason: expect.stringContaining('complex by the heuristic') })
  })

  it('orders a level by a strategy of its own', async () => {
    const cheap = byComplexity({ simple: all, strategy: 'cheapest' })
    expect(await namesOf({ strategy: cheap }, { labels: { complexity: 'simple' } })).toEqual([
      'deepseek',
      'gemini',
      'gpt',
      'claude',
    ])
  })
})

/** The table of the requirements: task, budget tier and length choose the model. */
const table = byRules({
  rules: [
    { when: { labels: { task: 'code' }, tier: 'low' }, models: ['deepseek'] },
    { when: { labels: { task: 'code' } }, models: ['gpt'] },
    { when: { labels: { task: 'analysis', expectedLength: 'long' } }, models: ['claude'] },
    { when: { labels: { task: 'summarise' } }, models: ['gemini'] },
    { when: { labels: { task: 'chat' }, tier: 'low' }, models: ['deepseek'] },
    { when: { labels: { task: 'chat' }, tier: 'medium' }, models: ['gemini'] },
    { when: { labels: { task: 'chat' }, tier: 'unlimited' }, models: ['gpt'] },
  ],
  otherwise: ['gpt', 'claude'],
})

describe('rules', () => {
  it.each([
    [{ task: 'code' }, 'low', 'deepseek'],
    [{ task: 'code' }, 'medium', 'gpt'],
    [{ task: 'analysis', expectedLength: 'long' }, 'low', 'claude'],
    [{ task: 'summarise' }, 'unlimited', 'gemini'],
    [{ task: 'chat' }, 'low', 'deepseek'],
    [{ task: 'chat' }, 'medium', 'gemini'],
    [{ task: 'chat' }, 'unlimited', 'gpt'],
    [{ task: 'analysis', expectedLength: 'short' }, 'low', 'gpt'],
  ])('sends %j of tier %s to %s', async (labels, tier, model) => {
    expect((await namesOf({ strategy: table }, { labels, identity: { tier } }))[0]).toBe(model)
  })

  it('says which rule decided, by its name or by what it asks for', async () => {
    const named = byRules({ rules: [{ name: 'vip', when: { user: 'u1' }, models: ['gpt'] }], otherwise: ['gemini'] })
    expect(await decide({ strategy: named }, { identity: { user: 'u1' } })).toMatchObject([
      { reason: 'rule "vip"; place 1 in the list' },
    ])
    const [code] = await decide({ strategy: table }, { labels: { task: 'code' }, identity: { tier: 'low' } })
    expect(code!.reason).toContain('rule "task is code, tier is low"')
    const [other] = await decide({ strategy: table })
    expect(other!.reason).toContain('no rule holds')
  })

  it.each([
    ['key', { key: 'k1' }, { identity: { key: 'k1' } }],
    ['one of two teams', { team: ['a', 'b'] }, { identity: { team: 'b' } }],
    ['a tag', { tag: ['x', 'y'] }, { identity: { tags: ['z', 'y'] } }],
    ['a stream', { stream: true }, { body: { stream: true } }],
    ['no stream', { stream: false }, {}],
    ['tools', { tools: true }, { body: { tools: [{ type: 'function', function: { name: 'f' } }] } }],
    ['an image', { modality: 'image' }, { body: { messages: [imageMessage()] } }],
    [
      'a large input',
      { inputTokens: { min: 50 } },
      { body: { messages: [{ role: 'user', content: 'word '.repeat(90) }] } },
    ],
    ['a small input', { inputTokens: { max: 50 } }, {}],
  ])('holds for %s, and not otherwise', async (_what, when, init) => {
    const ruleFor = (conditions: object) =>
      byRules({ rules: [{ when: conditions, models: ['gpt'] }], otherwise: ['gemini'] })
    expect(await namesOf({ strategy: ruleFor(when) }, init)).toEqual(['gpt'])
    expect(await namesOf({ strategy: ruleFor({ ...when, user: 'somebody-else' }) }, init)).toEqual(['gemini'])
    const [[name, wanted]] = Object.entries(when) as [[string, unknown]]
    const others: Readonly<Record<string, unknown>> = { inputTokens: { min: 1e6 }, modality: 'audio' }
    const opposite = typeof wanted === 'boolean' ? !wanted : (others[name] ?? 'nothing-like-it')
    expect(await namesOf({ strategy: ruleFor({ [name]: opposite }) }, init)).toEqual(['gemini'])
  })

  it.each([
    [{ from: '08:00', to: '18:00' }, '2026-01-05T08:00Z', true],
    [{ from: '08:00', to: '18:00' }, '2026-01-05T18:00Z', false],
    [{ from: '08:00', to: '18:00', timeZone: 'Asia/Ho_Chi_Minh' }, '2026-01-05T01:00Z', true],
    [{ from: '22:00', to: '06:00' }, '2026-01-05T05:59Z', true],
    [{ from: '22:00', to: '06:00' }, '2026-01-05T06:00Z', false],
    [{ from: '22:00', to: '06:00', days: ['fri'] }, '2026-01-10T03:00Z', true],
    [{ from: '22:00', to: '06:00', days: ['fri'] }, '2026-01-09T03:00Z', false],
    [{ days: ['mon'] }, '2026-01-05T23:59Z', true],
    [{ days: ['mon'] }, '2026-01-06T00:00Z', false],
  ] as const)('holds at %j on %s: %s', async (time, at, holds) => {
    const strategy = byRules({ rules: [{ when: { time }, models: ['gpt'] }], otherwise: ['gemini'] })
    expect(await namesOf({ strategy }, {}, { timeMs: Date.parse(at) })).toEqual([holds ? 'gpt' : 'gemini'])
  })

  it('takes the first that holds, whatever follows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ holds: fc.boolean(), model: fc.constantFrom(...all) }), { maxLength: 5 }),
        async (list) => {
          const rules = list.map(({ holds, model }) => ({ when: { user: holds ? 'u1' : 'u2' }, models: [model] }))
          const first = list.find(({ holds }) => holds)?.model ?? 'gpt'
          expect(
            await namesOf({ strategy: byRules({ rules, otherwise: ['gpt'] }) }, { identity: { user: 'u1' } }),
          ).toEqual([first])
        },
      ),
      { numRuns: 20 },
    )
  })

  it('is refused at start with every fault, where it stands', () => {
    const strategy = {
      use: 'rules',
      rules: [
        { when: { time: { from: '8:00' } }, models: ['gpt'] },
        { when: { tire: 'low' }, models: ['gpt-5'] },
      ],
      otherwise: [],
    }
    expect(() => createRouter({ models: {}, routes: { auto: { strategy } } })).toThrow(/routes\.auto\.strategy/)
    const known = { gpt: openaiCompatible({ baseUrl: 'http://x.invalid/v1' }) }
    const route = (given: unknown) => () => createRouter({ models: known, routes: { auto: given } } as never)
    expect(route({ strategy: { use: 'rules', rules: [{ models: ['gpt-5'] }], otherwise: ['gpt'] } })).toThrow(
      /routes\.auto\.strategy\.rules\[0\]\.models\[0\].*gpt-5/s,
    )
    expect(route({ strategy: 'rules', models: ['gpt'] })).toThrow(/expected an object with "use": "rules"/)
    expect(route({ strategy: 'cheapest' })).toThrow(/routes\.auto\.models.*a strategy that names them/s)
    expect(route({ strategy: { use: 'complexity', simple: ['gpt'], strategy: 'fastest' } })).toThrow(
      /routes\.auto\.strategy\.strategy.*no strategy is named "fastest"/s,
    )
    const ruled = (when: object, models = ['gpt']) => ({ use: 'rules', rules: [{ when, models }], otherwise: ['gpt'] })
    for (const [given, fault] of [
      [{ use: 'complexity' }, /routes\.auto\.strategy: expected simple, moderate or complex/],
      [ruled({ modality: 'imgae' }), /rules\[0\]\.when\.modality: .*image/],
      [ruled({ inputTokens: { min: 10, max: 9 } }), /rules\[0\]\.when\.inputTokens: expected min to be at most max/],
      [ruled({}, ['gpt', 'gpt']), /rules\[0\]\.models: expected each model once/],
    ] as const)
      expect(route({ models: ['gpt'], strategy: given })).toThrow(fault)
  })
})

describe('a strategy inside of another one', () => {
  it.each([
    ['complexity', byComplexity({ simple: ['gpt'], complex: ['claude'], strategy: 'odd' })],
    ['cascade', byCascade({ cheap: ['gpt'], strong: ['claude'], verify: () => true, strategy: 'odd' })],
  ])('that fails at once and later fails the call and nothing else: in %s', async (name, strategy) => {
    const unhandled = vi.fn<() => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const rank: RankFunction = (_call, [only]) => {
      if (only?.name === 'gpt') return Promise.reject(new Error('later'))
      throw new Error('at once')
    }
    const odd = definePlugin({ name: 'odd', strategies: { odd: () => rank } })
    await expect(decide({ strategy }, {}, { plugins: [odd] })).rejects.toMatchObject({
      code: 'plugin_failed',
      message: `The strategy "${name}" failed`,
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })
})

describe('a function', () => {
  it.each([
    [undefined, 'nothing'],
    [null, 'null'],
    ['gpt', '"gpt"'],
    [{ gpt: 1 }, 'an object'],
    [[null], 'an array with null'],
    [['gpt'], 'an array with "gpt"'],
  ])('that gives %j is named as what fails', async (given, came) => {
    const strategy = function mine() {
      return given as never
    }
    for (const one of [strategy, async () => strategy()])
      await expect(decide({ models: [...all], strategy: one })).rejects.toMatchObject({
        code: 'plugin_failed',
        message: expect.stringMatching(`^The strategy ".*" gave no list of models: expected .*, got ${came}$`),
      })
  })
})

function imageMessage() {
  return { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }
}
