import { createFakeClock, createSimulatedDispatcher, seededRandom } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Decision,
  type Identity,
  type LedgerCall,
  type Plugin,
  type RankFunction,
  type RouteOptions,
  type RouterOptions,
  type Strategy,
  byBandit,
  byCascade,
  byComplexity,
  byRules,
  bySticky,
  byTier,
  createRouter,
  heuristicClassifier,
  openaiCompatible,
} from '../index.ts'

const names = ['a', 'b', 'c', 'd'] as const
const byChance: RankFunction = (call, candidates, { random }) =>
  candidates
    .map(({ name, price }) => ({ name, score: random() * (price?.base.input ?? 0) * (call.labels['task'] ? 1 : 2) }))
    .toSorted((one, other) => other.score - one.score)

/** Routes by every strategy there is, some inside of others. */
const routes: Readonly<Record<string, RouteOptions>> = {
  ordered: { models: names },
  turns: { strategy: 'round-robin', models: [{ model: 'a', weight: 5 }, 'b', 'c'], fallback: ['d'] },
  weighted: { strategy: 'weighted', models: [{ model: 'a', weight: 3 }, 'b', { model: 'c', weight: 0 }, 'd'] },
  fast: { strategy: { use: 'least-latency', windowMs: 60_000 }, models: names },
  cheap: { strategy: 'cheapest', models: names, maxCostUsd: 0.02 },
  levels: { strategy: byComplexity({ simple: ['a', 'b'], complex: ['c', 'd'], strategy: 'round-robin' }) },
  rules: {
    strategy: byRules({
      rules: [
        { when: { labels: { task: 'code' }, tier: 'free' }, models: ['a', 'b'], strategy: 'least-latency' },
        { when: { inputTokens: { min: 2_000 } }, models: ['c', 'd'], strategy: 'weighted' },
        { when: { time: { from: '06:00', to: '18:00' }, stream: true }, models: ['b', 'c'], strategy: 'round-robin' },
      ],
      otherwise: ['d', 'a'],
    }),
  },
  arms: { strategy: byBandit({ arms: ['a', 'b', 'c'], share: 0.7, lambda: 10, strategy: 'round-robin' }) },
  steps: { strategy: byCascade({ cheap: ['a', 'b'], strong: ['c'], verify: () => true, strategy: 'least-latency' }) },
  stays: { strategy: bySticky({ strategy: { use: 'least-latency' } }), models: names },
  own: { strategy: byChance, models: names },
}

const prompts = [
  'What is the capital of France?',
  'Refactor this TypeScript function:\n```ts\nconst f = () => 1\n```',
  'Compare, analyze and optimize the design of both caches in a detailed report.',
  'word '.repeat(3_000),
]
const identities: readonly Identity[] = [{}, { user: 'ada', tier: 'free' }, { key: 'k', models: ['b', 'c'] }]

/** A router over four models that fail and are limited by turns, on a clock of its own. */
function setUp(more: Partial<RouterOptions> = {}) {
  const clock = createFakeClock({ wallTime: Date.UTC(2026, 0, 5), turns: 1 })
  const random = seededRandom(7)
  const upstreams = names.map(() => createSimulatedDispatcher({ clock, random, latencyMs: { p50: 400, p99: 900 } }))
  const models = Object.fromEntries(
    names.map((name, at) => [
      name,
      openaiCompatible({
        baseUrl: `http://${name}.invalid/v1`,
        dispatcher: upstreams[at]!,
        contextWindow: name === 'a' ? 3_000 : 100_000,
        price: { input: 1 + at, output: 4 + at * 3 },
      }),
    ]),
  )
  const router = createRouter({
    models,
    routes,
    clock,
    random,
    ledger: 'memory',
    plugins: [heuristicClassifier()],
    ...more,
  })
  onTestFinished(() => router.close())
  return { router, clock, random, upstreams }
}

/** Sends calls of all kinds, with faults in between. */
async function traffic(count: number, { router, clock, random, upstreams }: ReturnType<typeof setUp>) {
  const of = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const routeNames = Object.keys(routes)
  for (let sent = 0; sent < count; sent++) {
    const upstream = upstreams[Math.floor(sent / 500) % upstreams.length]!
    if (sent % 500 === 0) upstream.fail(sent % 1_000 === 0 ? { status: 503 } : { status: 429 })
    if (sent % 500 === 100) upstream.heal()
    const body = {
      model: of(routeNames),
      messages: [{ role: 'user', content: of(prompts) }],
      stream: random() < 0.3,
      ...(random() < 0.3 && { max_tokens: 50 }),
    }
    router.handle({ body, identity: of(identities) }).catch(() => undefined)
    await clock.advance(Math.floor(random() * 300))
  }
  await clock.advance(600_000)
}

/** As a ledger's file or a log gives it back. */
const throughJson = (call: LedgerCall): LedgerCall => JSON.parse(JSON.stringify(call)) as LedgerCall

describe('replay', () => {
  it('goes by the tier of the caller, and by whether time mattered to it', async () => {
    const strategy = byTier({
      tiers: { free: { models: ['a', 'b'], latencySensitive: { models: ['c', 'd', 'a'] } } },
      otherwise: { models: ['d', 'c'], strategy: 'round-robin' },
    })
    const live = setUp({ routes: { tiers: { strategy } } })
    for (let sent = 0; sent < 60; sent++) {
      const identity: Identity = sent % 3 === 0 ? {} : { tier: 'free', latencySensitive: sent % 3 === 1 }
      const body = { model: 'tiers', messages: [{ role: 'user', content: 'Hello' }] }
      live.router.handle({ body, identity }).catch(() => undefined)
      await live.clock.advance(500)
    }
    await live.clock.advance(600_000)
    const calls = [...live.router.ledger!.calls()]
    const { router } = setUp({ routes: { tiers: { strategy } } })
    const outcomes = await Promise.all(calls.map((call) => router.replay(throughJson(call))))
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 60 }, () => 'same'))
    const lists = calls.map(({ decision }) => (decision as Decision).candidates.map(({ name }) => name).toSorted())
    expect(new Set(lists.map((list) => list.join('')))).toEqual(new Set(['ab', 'acd', 'cd']))
  })

  it(
    'makes 10,000 recorded decisions again with 0 differences, in a router that has seen nothing',
    { timeout: 120_000 },
    async () => {
      const live = setUp()
      await traffic(10_000, live)
      const calls = [...live.router.ledger!.calls()]
      const { router } = setUp()
      const outcomes = await Promise.all(calls.map((call) => router.replay(throughJson(call))))
      expect(outcomes.filter(({ outcome }) => outcome !== 'same')).toEqual([])
      expect(outcomes).toHaveLength(10_000)
      // The traffic was of all kinds: else the same decisions would be no proof.
      const lists = calls.map(({ decision }) => (decision as Decision).candidates)
      expect(new Set(lists.map((list) => list[0]?.name))).toEqual(new Set([...names, undefined]))
      const seen = lists.flat()
      expect(new Set(seen.map(({ health }) => health))).toEqual(new Set(['healthy', 'degraded', 'unhealthy']))
      expect(seen.filter(({ readyInMs }) => readyInMs > 0).length).toBeGreaterThan(100)
      expect(seen.filter(({ weight }) => !Number.isInteger(weight)).length).toBeGreaterThan(100)
      expect(calls.filter(({ failovers }) => failovers > 0).length).toBeGreaterThan(100)
    },
  )

  it('has the prices that a strategy looked at only where it assessed, which is not done again', async () => {
    const strategy: Strategy = {
      name: 'assessed',
      assess: (_call, candidates) => candidates.map(({ price }) => price?.base.output),
      rank: (_call, candidates, { assessment }) =>
        candidates.map(({ name }, at) => ({ name, score: (assessment as number[])[at]! })).toReversed(),
    }
    const { router, clock } = setUp({ routes: { assessed: { strategy, models: names } } })
    router.handle({ body: { model: 'assessed', messages: [] } }).catch(() => undefined)
    await clock.advance(600_000)
    const [call] = [...router.ledger!.calls()]
    expect(await router.replay(throughJson(call!))).toEqual({ outcome: 'same' })
  })

  it('tells of another decision by another policy, and moves no state where it decides', async () => {
    const live = setUp()
    await traffic(200, live)
    const cheap = [...live.router.ledger!.calls({ route: 'cheap' })].map(throughJson)
    const turns = [...live.router.ledger!.calls({ route: 'turns' })].map(throughJson)
    const reversed = {
      ...routes,
      cheap: { models: names.toReversed() },
      turns: { strategy: 'ordered', models: names },
    }
    const { router } = setUp({ routes: reversed })
    expect(router.policy).not.toBe(live.router.policy)
    expect(await router.replay(cheap[0]!)).toMatchObject({
      outcome: 'different',
      was: expect.stringContaining('"strategy":"cheapest"'),
      is: expect.stringContaining('"strategy":"ordered","candidates":[{"name":"d"'),
    })
    const twice = [await live.router.replay(turns[0]!), await live.router.replay(turns[0]!)]
    expect(twice).toEqual([{ outcome: 'same' }, { outcome: 'same' }])
  })

  it('says what it can not know: a strategy that reads the prompt, one whose state is not recorded, a route that is gone', async () => {
    const readsText: RankFunction = (call, candidates) => (call.request.text === '' ? [] : candidates)
    const readsState: RankFunction = (call, candidates) => (Object.keys(call.state).length > 0 ? [] : candidates)
    const live = setUp({
      routes: {
        text: { strategy: readsText, models: names },
        state: { strategy: readsState, models: names },
        gone: routes['turns']!,
      },
    })
    const replayed = async (route: string, change: Partial<Decision> = {}, at = live.router) => {
      await live.router.handle({ body: { model: route, messages: [] } }).catch(() => undefined)
      const [call] = [...live.router.ledger!.calls({ route })].map(throughJson)
      return at.replay({ ...call!, decision: { ...call!.decision, ...change } })
    }
    live.clock.advance(10_000).catch(() => undefined)
    expect(await replayed('text')).toEqual({ outcome: 'unknown', why: 'the text of the prompt is not recorded' })
    expect(await replayed('state')).toEqual({ outcome: 'unknown', why: 'what a plugin handed along is not recorded' })
    expect(await replayed('gone', { assessment: undefined })).toEqual({
      outcome: 'unknown',
      why: 'what the strategy "round-robin" went by is not recorded',
    })
    expect(await replayed('gone', {}, setUp().router)).toEqual({
      outcome: 'unknown',
      why: 'there is no route named "gone"',
    })
    expect(await replayed('gone', { facts: undefined } as never)).toEqual({ outcome: 'undecided' })
  })
})

describe('the name of a policy', () => {
  const model = { provider: 'openai', apiKey: 'sk-1', price: { input: 1, output: 2 } } as const
  const options: RouterOptions = { models: { a: model, b: model }, routes: { auto: { models: ['a', 'b'] } } }
  const policyOf = async (changed: Partial<RouterOptions> = {}) => {
    const router = createRouter({ ...options, ...changed })
    await router.close()
    return router.policy
  }

  it('is the same for plugins of the same name and version, of all routes or of one', async () => {
    const plugin = (call: Plugin['call'], version = '1'): Plugin => ({ name: 'own', version, call })
    const before: Plugin['call'] = (call, next) => next(call)
    const after: Plugin['call'] = async (call, next) => await next(call)
    const ofAll = (one: Plugin) => policyOf({ plugins: [one] })
    const ofRoute = (one: Plugin) => policyOf({ routes: { auto: { models: ['a', 'b'], plugins: [one] } } })
    for (const of of [ofAll, ofRoute]) {
      expect(await of(plugin(before))).toBe(await of(plugin(after)))
      expect(await of(plugin(before, '2'))).not.toBe(await of(plugin(before)))
    }
  })

  it('is the same for another key and another order of models, and for no other price, route or plugin', async () => {
    const same = [
      await policyOf(),
      await policyOf({ models: { b: model, a: { ...model, apiKey: 'sk-2', headers: { x: 'y' } } }, ledger: 'memory' }),
    ]
    expect(new Set(same).size).toBe(1)
    expect(same[0]).toMatch(/^[\da-f]{16}$/)
    const others = [
      await policyOf({ models: { a: model, b: { ...model, price: { input: 1, output: 3 } } } }),
      await policyOf({ routes: { auto: { models: ['b', 'a'] } } }),
      await policyOf({ routes: { auto: { models: ['a', 'b'], strategy: (_call, all) => all } } }),
      await policyOf({ routes: { auto: { models: ['a', 'b'], strategy: (_call, all) => all.slice(1) } } }),
      await policyOf({ plugins: [heuristicClassifier()] }),
    ]
    expect(new Set([...same, ...others]).size).toBe(6)
  })
})
