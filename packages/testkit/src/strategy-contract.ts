import {
  type CallInit,
  type CallRecord,
  type Identity,
  type Router,
  type RouterOptions,
  createRouter,
  isSignalboxError,
  offline,
  openaiCompatible,
  readBody,
  recordedCall,
} from '@signalbox/core'
import { describe, expect, it } from 'vitest'
import { type FakeClock, createFakeClock } from './fake-clock.ts'
import { frozen } from './frozen.ts'
import { surfaces } from './plugin-contract-faces.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedDispatcher } from './simulated-dispatcher.ts'

/** What a route's `strategy` may be. */
type Given = NonNullable<RouterOptions['routes']>[string]['strategy']

/** What a strategy's contract is tried with. */
export interface StrategyContractOptions {
  /**
   * What else the router needs: the plugin that brings the strategy, classifiers, models. The route has all its models.
   *
   * @default three models: `a`, `b` and `c`
   */
  readonly router?: Partial<RouterOptions>
}

/**
 * The tests that every strategy passes: it puts each model of its route in one place at most, whatever is asked and by
 * whom; makes a decision again from what is recorded of it; moves no state when it is only asked; takes in how answers
 * and ratings were; and changes nothing that it was given. Call it in a test file; it declares a suite.
 *
 * @param make makes what stands as `strategy` at a route
 * @example
 * strategyContract(() => ({ use: 'tagged', tag: 'premium' }), { router: { plugins: [tags] } })
 */
export function strategyContract(make: () => Given, options: StrategyContractOptions = {}): void {
  describe(`strategy contract: ${nameOf(make())}`, () => {
    it('puts each model of its route in one place at most, whatever is asked and by whom', async () => {
      const { records, failures, models } = await play(setUp(make, options))
      expect(failures).toEqual([])
      for (const { candidates, identity } of records) {
        const names = candidates.map(({ name }) => name)
        expect(names).not.toEqual([])
        expect(names).toEqual([...new Set(names)])
        expect(identity.models ?? models).toEqual(expect.arrayContaining(names))
      }
    })

    it('makes a decision again from what is recorded of it', async () => {
      const { records } = await play(setUp(make, options))
      const { settings, clock } = setUp(make, options)
      const again = createRouter(offline(settings, clock))
      const outcomes = await Promise.all(
        records.map((record) => again.replay(JSON.parse(JSON.stringify(recordedCall(record))))),
      )
      await again.close()
      expect(outcomes.filter(({ outcome }) => outcome !== 'same')).toEqual([])
    })

    it('moves no state when it is only asked', async () => {
      const once = await play(setUp(make, options))
      const asked = await play(setUp(make, options), async (router, call) => void (await router.explain(call)))
      expect(asked.records.map(rankingOf)).toEqual(once.records.map(rankingOf))
    })

    it('takes in how answers and ratings were', async () => {
      const { warnings, ratings } = await play(setUp(make, options))
      expect(warnings).toEqual([])
      expect(ratings).toBeGreaterThan(0)
    })
  })
}

const nameOf = (given: Given) =>
  typeof given === 'string' || given === undefined
    ? (given ?? 'ordered')
    : 'use' in given
      ? given.use
      : given.name || 'function'

const rankingOf = ({ candidates }: CallRecord) => candidates.map(({ name, reason, score }) => [name, reason, score])

interface SetUp {
  readonly settings: RouterOptions
  readonly clock: FakeClock
  readonly models: readonly string[]
}

/** The same each time: chance, time, what models answer and when they fail. */
function setUp(make: () => Given, { router = {} }: StrategyContractOptions): SetUp {
  const clock = createFakeClock({ turns: 1 })
  const given: RouterOptions['models'] = router.models ?? {
    a: openaiCompatible({ baseUrl: 'http://a.invalid/v1', price: { input: 2, output: 8 }, tags: ['premium'] }),
    b: openaiCompatible({ baseUrl: 'http://b.invalid/v1', price: { input: 0.1, output: 0.4 } }),
    c: openaiCompatible({ baseUrl: 'http://c.invalid/v1', price: { input: 0.5, output: 2 }, contextWindow: 4_000 }),
  }
  const models = Object.keys(given)
  const upstreamOf = (index: number) =>
    createSimulatedDispatcher({
      clock,
      random: seededRandom(index + 1),
      latencyMs: { p50: 300 * (index + 1), p99: 900 * (index + 1) },
      // Each fails for a time, one after another.
      outages: [{ fromMs: 50_000 * (index + 1), untilMs: 50_000 * (index + 1) + 30_000 }],
    })
  const reached = Object.entries(given).map(([name, model], index) => [
    name,
    { apiKey: 'any', ...model, dispatcher: upstreamOf(index) },
  ])
  const settings: RouterOptions = {
    ...router,
    // Ratings are given by what it has of a call.
    ledger: 'memory',
    clock,
    random: seededRandom(7),
    models: Object.fromEntries(reached) as RouterOptions['models'],
    routes: { ...router.routes, auto: { strategy: make(), models } },
    plugins: [frozen, ...(router.plugins || [])],
  }
  return { settings, clock, models }
}

interface Played {
  readonly models: readonly string[]
  readonly records: readonly CallRecord[]
  /** What was thrown besides what models failed with. */
  readonly failures: readonly unknown[]
  readonly warnings: readonly string[]
  /** How many ratings were taken in. */
  readonly ratings: number
}

/** Calls of all kinds, some at the same time, over some minutes, half of which are rated. */
async function play(
  { settings, clock, models }: SetUp,
  before?: (router: Router, call: CallInit) => Promise<void>,
): Promise<Played> {
  const router = createRouter(settings)
  const records: CallRecord[] = []
  const failures: unknown[] = []
  const warnings: string[] = []
  let ratings = 0
  router.on('call.ended', ({ record }) => records.push(record))
  router.on('warning', ({ kind, message }) => kind === 'plugin_failed' && warnings.push(message))
  for (const [index, call] of callsOf(models).entries()) {
    await before?.(router, call)
    // So that being asked before changes the order of nothing else.
    await clock.settle()
    router
      .handle({ ...call, id: `${index}` })
      .then(readBody)
      .catch((error: unknown) => isOwn(error) && failures.push(error))
    if (index % 3 === 2) await clock.advance(10_000)
    const last = records.at(-1)
    if (index % 2 === 1 && last) ratings += await rate(router, last.key, (index % 5) / 4)
  }
  await clock.advance(300_000)
  await router.close({ timeoutMs: 0 })
  // Of a call that is not among them nothing was checked.
  expect(records).toHaveLength(howMany)
  return { models, records: records.toSorted((a, b) => Number(a.id) - Number(b.id)), failures, warnings, ratings }
}

/** Rates a call, and says how many ratings that is: none of a call that no model answered. */
async function rate(router: Router, call: string, score: number): Promise<0 | 1> {
  try {
    await router.feedback(call, score)
    return 1
  } catch (error) {
    if (isSignalboxError(error) && error.code === 'not_found') return 0
    throw error
  }
}

/** Whether it is no model that failed. */
const isOwn = (error: unknown) =>
  !isSignalboxError(error) || error.code === 'plugin_failed' || error.code === 'internal_error'

const prompts = [
  'What is 17 * 23?',
  'Viết một bài thơ ngắn về mùa thu.',
  'Prove that the square root of two is irrational, step by step.',
  'def f(n):\n  return n if n < 2 else f(n - 1) + f(n - 2)\n\nWhy is it slow?',
  `Summarise this: ${'lorem ipsum dolor sit amet '.repeat(200)}`,
  '',
]

/** How many calls are made. */
const howMany = 60

function callsOf(models: readonly string[]): CallInit[] {
  const identities: readonly Identity[] = [
    {},
    { user: 'u1', team: 't1' },
    { user: 'u2', tier: 'premium', latencySensitive: true },
    { user: 'u3', models: models.slice(-1) },
    { user: 'u4', models: models.slice(0, 2), tags: ['x'] },
  ]
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }]
  return Array.from({ length: howMany }, (_, index) => {
    const surface = surfaces[index % surfaces.length]!
    const isChat = surface.dialect === 'openai-chat'
    return {
      dialect: surface.dialect,
      identity: identities[index % identities.length]!,
      body: {
        model: 'auto',
        ...surface.ask(prompts[(index * 7) % prompts.length]!),
        ...(index % 4 === 1 && { stream: true }),
        ...(isChat && index % 9 === 3 && { tools }),
      },
    }
  })
}
