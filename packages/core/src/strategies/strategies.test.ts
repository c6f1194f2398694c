/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { createFakeClock, seededRandom } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Call, CandidateView } from '../types.ts'
import type { Ranked, Strategy } from './strategy.ts'
import { byBandit } from './bandit.ts'
import { byCascade } from './cascade.ts'
import { byComplexity } from './complexity.ts'
import { createStrategy, strategyNames } from './index.ts'
import { ordered } from './ordered.ts'
import { dialects } from '../dialects/index.ts'
import { byRules } from './rules.ts'
import { roundRobin } from './round-robin.ts'
import { byTier } from './tier.ts'
import { weighted } from './weighted.ts'

const call = createCall()

function createCall(
  extra: { labels?: object; identity?: object; body?: object; startedAt?: number; maxCostNanoUsd?: number } = {},
): Call {
  const { labels = {}, identity = {}, body = {}, startedAt = 0, maxCostNanoUsd } = extra
  const request = dialects['openai-chat'].parse({ model: 'auto', messages: [{ role: 'user', content: 'Hi' }], ...body })
  return { labels, identity, request, record: { startedAt, candidates: [] }, maxCostNanoUsd } as unknown as Call
}
const services = { clock: createFakeClock(), random: seededRandom(1), logger: undefined }

function view(name: string, weight = 1): CandidateView {
  const state = {
    contextWindow: undefined,
    maxOutputTokens: undefined,
    price: undefined,
    health: 'healthy',
    breaker: 'closed',
    readyInMs: 0,
  } as const
  return { name, provider: 'p', model: name, weight, tags: [], domain: name, reasoning: false, ...state }
}

/** Views named a, b, c and so on, with these weights. */
const views = (...weights: number[]) => weights.map((weight, index) => view(String.fromCharCode(97 + index), weight))

const ranked = (strategy: Strategy, candidates: readonly CandidateView[], random = seededRandom(1)) =>
  strategy.rank(call, candidates, { random, now: 0 }) as readonly Ranked[]
const namesOf = (ranking: readonly Ranked[]) => ranking.map(({ name }) => name)

/** Takes the first, and tells the strategy so. */
function take(strategy: Strategy, candidates: readonly CandidateView[], random?: () => number): string {
  const { name } = ranked(strategy, candidates, random)[0]!
  strategy.observe?.({ type: 'taken', name, candidates, call })
  return name
}

const takeMany = (strategy: Strategy, candidates: readonly CandidateView[], times: number) =>
  Array.from({ length: times }, () => take(strategy, candidates))

const count = (taken: readonly string[]) =>
  Object.fromEntries([...new Set(taken)].toSorted().map((name) => [name, taken.filter((one) => one === name).length]))

const weights = fc
  .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 })
  .filter((list) => list.some((weight) => weight > 0))

const letters = ['a', 'b', 'c', 'd', 'e', 'f']

/** Strategies that need options, with all names that {@link views} gives. */
const optionsOf: Readonly<Record<string, { use: string }>> = {
  complexity: byComplexity({
    simple: ['a', 'b'],
    moderate: ['c', 'b'],
    complex: ['d', 'e', 'f'],
    strategy: 'weighted',
  }),
  bandit: byBandit({ arms: ['a', 'b', 'c', 'd', 'e', 'f'] }),
  cascade: byCascade({ cheap: ['a', 'b'], strong: ['c', 'd', 'e', 'f'], verify: 'schema' }),
  tier: byTier({ tiers: { gold: { models: ['a', 'b'] } }, otherwise: { models: letters } }),
  rules: byRules({ rules: [{ when: { labels: { task: 'code' } }, models: ['a'] }], otherwise: letters }),
}

describe('every strategy', () => {
  it.each([...strategyNames])('%s ranks the same when asked twice, and gives a reason for each place', (name) => {
    fc.assert(
      fc.property(weights, fc.nat(), fc.nat({ max: 20 }), (list, seed, before) => {
        const strategy = createStrategy(optionsOf[name] ?? name, services)
        const candidates = views(...list)
        takeMany(strategy, candidates, before)
        const first = ranked(strategy, candidates, seededRandom(seed))
        for (let again = 0; again < 3; again++) expect(ranked(strategy, candidates, seededRandom(seed))).toEqual(first)
        for (const { reason } of first) expect(reason).toMatch(/\S/)
      }),
    )
  })

  it.each([...strategyNames])('%s names each candidate once at most, and no other', (name) => {
    fc.assert(
      fc.property(weights, fc.nat(), (list, seed) => {
        const candidates = views(...list)
        const names = namesOf(ranked(createStrategy(optionsOf[name] ?? name, services), candidates, seededRandom(seed)))
        expect(new Set(names).size).toBe(names.length)
        expect(candidates.map((candidate) => candidate.name)).toEqual(expect.arrayContaining(names))
      }),
    )
  })

  it.each([...strategyNames])('%s takes no candidates for an empty ranking', (name) => {
    expect(ranked(createStrategy(optionsOf[name] ?? name, services), [])).toEqual([])
  })

  it.each(['ordered', 'round-robin', 'weighted'])('%s does not move for what ended', (name) => {
    const strategy = createStrategy(optionsOf[name] ?? name, services)
    const candidates = views(3, 2, 1)
    const first = ranked(strategy, candidates)
    strategy.observe?.({ type: 'ended', call, name: 'a', ok: false, code: 'upstream_error', latencyMs: 5 })
    expect(ranked(strategy, candidates)).toEqual(first)
  })
})

it.each(['budget_exceeded', 'max_cost_exceeded', 'limit_exceeded', 'model_unavailable', 'untranslatable', 'cancelled'])(
  'least-latency learns nothing from %s: the model was not asked, or not for long enough',
  (code) => {
    const strategy = createStrategy('least-latency', services)
    const candidates = views(1, 1)
    for (const { name } of candidates) strategy.observe?.({ type: 'ended', call, name, ok: true, latencyMs: 100 })
    const before = ranked(strategy, candidates)
    strategy.observe?.({ type: 'ended', call, name: before[0]!.name, ok: false, code, latencyMs: 0 })
    expect(ranked(strategy, candidates)).toEqual(before)
  },
)

it('least-latency learns from a call whose time was up no more than that the model takes longer', () => {
  const strategy = createStrategy('least-latency', services)
  const candidates = views(1, 1)
  for (const { name } of candidates) strategy.observe?.({ type: 'ended', call, name, ok: true, latencyMs: 100 })
  const before = ranked(strategy, candidates)
  const late = { type: 'ended', call, name: before[0]!.name, ok: false, code: 'deadline_exceeded' } as const
  strategy.observe?.({ ...late, latencyMs: 99 })
  expect(ranked(strategy, candidates)).toEqual(before)
  strategy.observe?.({ ...late, latencyMs: 500 })
  expect(ranked(strategy, candidates).find(({ name }) => name === late.name)).toMatchObject({ score: 500 })
})

describe('createStrategy', () => {
  it('makes a strategy of a name, of a name with options, and of nothing', () => {
    expect(createStrategy('weighted', services).name).toBe('weighted')
    expect(createStrategy({ use: 'round-robin' }, services).name).toBe('round-robin')
    expect(createStrategy(undefined, services).name).toBe('ordered')
  })

  it('gives each route a strategy of its own', () => {
    const [one, other] = [createStrategy('round-robin', services), createStrategy('round-robin', services)]
    take(one, views(1, 1))
    expect(namesOf(ranked(one, views(1, 1)))).toEqual(['b', 'a'])
    expect(namesOf(ranked(other, views(1, 1)))).toEqual(['a', 'b'])
  })

  it('lifts a bare function, and takes a strategy as it is', () => {
    const lastFirst: Strategy['rank'] = (_call, candidates) => candidates.toReversed()
    expect(createStrategy(lastFirst, services)).toMatchObject({ name: 'lastFirst', rank: lastFirst })
    expect(createStrategy((() => () => [])(), services).name).not.toBe('')
    const own: Strategy = { name: 'own', rank: lastFirst }
    expect(createStrategy(own, services)).toBe(own)
  })
})

describe('ordered', () => {
  it('keeps the list, whatever the weights', () => {
    expect(namesOf(ranked(ordered(), views(0, 5, 1)))).toEqual(['a', 'b', 'c'])
  })
})

describe('round-robin', () => {
  it('takes each in turn', () => {
    expect(takeMany(roundRobin(), views(1, 1, 1), 7)).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a'])
  })

  it('spreads a heavy one between the others', () => {
    expect(takeMany(roundRobin(), views(5, 1, 1), 7)).toEqual(['a', 'a', 'b', 'a', 'c', 'a', 'a'])
  })

  it('puts the others behind in the order of their turns', () => {
    const strategy = roundRobin()
    take(strategy, views(1, 1, 1))
    expect(namesOf(ranked(strategy, views(1, 1, 1)))).toEqual(['b', 'c', 'a'])
  })

  it('takes every one in exact proportion to its weight over a cycle, any number of times', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3 }), (list, cycles) => {
        const candidates = views(...list)
        const cycle = list.reduce((sum, weight) => sum + weight, 0)
        const expected = Object.fromEntries(
          candidates.filter(({ weight }) => weight > 0).map(({ name, weight }) => [name, weight * cycles]),
        )
        expect(count(takeMany(roundRobin(), candidates, cycle * cycles))).toEqual(expected)
      }),
    )
  })

  it('never bursts: at every moment each is within one turn of its share for two, and near it for more', () => {
    fc.assert(
      fc.property(weights, (list) => {
        const candidates = views(...list)
        const total = list.reduce((sum, weight) => sum + weight, 0)
        const bound = list.length === 2 ? 1 : list.length - 1
        const taken = takeMany(roundRobin(), candidates, total * 2)
        for (const { name, weight } of candidates) {
          let so = 0
          for (const [index, one] of taken.entries()) {
            if (one === name) so++
            expect(Math.abs(so - ((index + 1) * weight) / total)).toBeLessThanOrEqual(Math.max(1, bound))
          }
        }
      }),
    )
  })

  it('never takes one twice in a row that has no more than half of the weight', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 9 }), (size, weight) => {
        const taken = takeMany(roundRobin(), views(...Array.from({ length: size }, () => weight)), size * 4)
        for (let index = 1; index < taken.length; index++) expect(taken[index]).not.toBe(taken[index - 1])
      }),
    )
  })

  it('never takes one without weight, also as a last resort', () => {
    expect(count(takeMany(roundRobin(), views(0, 2, 1), 30))).toEqual({ b: 20, c: 10 })
    expect(namesOf(ranked(roundRobin(), views(0, 0)))).toEqual([])
  })

  it('moves only when it is told that one was taken', () => {
    const strategy = roundRobin()
    for (let times = 0; times < 10; times++) expect(ranked(strategy, views(1, 1))[0]!.name).toBe('a')
    strategy.observe!({ type: 'taken', name: 'a', candidates: views(1, 1), call })
    expect(ranked(strategy, views(1, 1))[0]!.name).toBe('b')
  })

  it('keeps the proportion among those that stay while others leave and come back', () => {
    fc.assert(
      fc.property(
        weights,
        fc.array(fc.tuple(fc.nat({ max: 63 }), fc.nat({ max: 12 })), { maxLength: 6 }),
        (list, phases) => {
          const all = views(...list)
          const strategy = roundRobin()
          for (const [mask, times] of phases) {
            const present = all.filter(({ weight }, index) => weight > 0 && (mask & (1 << index)) !== 0)
            if (present.length > 0) takeMany(strategy, present, times)
          }
          const cycle = list.reduce((sum, weight) => sum + weight, 0)
          const settling = takeMany(strategy, all, cycle * 3)
          const taken = count(takeMany(strategy, all, cycle * 4))
          for (const { name, weight } of all)
            expect(Math.abs((taken[name] ?? 0) - weight * 4)).toBeLessThanOrEqual(list.length)
          expect(settling).toHaveLength(cycle * 3)
        },
      ),
    )
  })

  it('does not hand the share of one that left to its neighbour', () => {
    const strategy = roundRobin()
    const [a, b, c, d] = views(1, 1, 1, 1)
    takeMany(strategy, [a!, b!, c!, d!], 6)
    for (const taken of Object.values(count(takeMany(strategy, [a!, c!, d!], 300))))
      expect(Math.abs(taken - 100)).toBeLessThanOrEqual(1)
  })

  it('does not flood one that comes back, nor starve it', () => {
    const strategy = roundRobin()
    const all = views(1, 1, 1)
    takeMany(strategy, all, 4)
    takeMany(strategy, all.slice(0, 2), 1_000)
    const taken = takeMany(strategy, all, 9)
    expect(taken.filter((name) => name === 'c').length).toBeGreaterThanOrEqual(2)
    expect(taken.filter((name) => name === 'c').length).toBeLessThanOrEqual(4)
  })
})

describe('weighted', () => {
  it('takes each by chance in proportion to its weight', () => {
    const random = seededRandom(42)
    const taken = count(Array.from({ length: 20_000 }, () => ranked(weighted(), views(6, 3, 1), random)[0]!.name))
    expect(taken['a']! / 20_000).toBeCloseTo(0.6, 1.5)
    expect(taken['b']! / 20_000).toBeCloseTo(0.3, 1.5)
    expect(taken['c']! / 20_000).toBeCloseTo(0.1, 1.5)
  })

  it('draws the places behind the first from the rest in the same way', () => {
    const random = seededRandom(7)
    const second = Array.from({ length: 40_000 }, () => namesOf(ranked(weighted(), views(1, 3, 1), random)))
      .filter(([first]) => first === 'a')
      .map(([, name]) => name!)
    expect(second.filter((name) => name === 'b').length / second.length).toBeCloseTo(0.75, 1.5)
  })

  it('takes the one whose part of the line the number falls on', () => {
    const first = (at: number) => ranked(weighted(), views(1, 2, 1), () => at)[0]!.name
    expect([0, 0.2499, 0.25, 0.7499, 0.75, 0.9999].map(first)).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
  })

  it('takes one at the end of the line too, where adding up has lost a bit', () => {
    expect(ranked(weighted(), views(0.1, 0.2, 0.3), () => 1 - 2 ** -53)[0]!.name).toBe('c')
  })

  it('never takes one without weight', () => {
    expect(namesOf(ranked(weighted(), views(0, 1, 0)))).toEqual(['b'])
    expect(namesOf(ranked(weighted(), views(0, 0)))).toEqual([])
    expect(ranked(weighted(), views(0, 1), () => 0)[0]!.name).toBe('b')
  })
})
