import { createFakeClock, seededRandom } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { freePrices } from '../money/price.ts'
import type { CallRecord } from '../record.ts'
import type { Call, CandidateView } from '../types.ts'
import type { Ranked } from './strategy.ts'
import { type BanditOptions, byBandit } from './bandit.ts'
import { createStrategy } from './index.ts'

const view = (name: string, extra: Partial<CandidateView> = {}): CandidateView => ({
  name,
  provider: 'p',
  model: name,
  weight: 1,
  tags: [],
  domain: name,
  reasoning: false,
  contextWindow: undefined,
  maxOutputTokens: undefined,
  price: undefined,
  health: 'healthy',
  breaker: 'closed',
  readyInMs: 0,
  ...extra,
})

/** How good an arm's answers are, and what each costs. */
interface Arm {
  readonly good: number
  readonly costUsd?: number
}

/** A bandit over arms named a, b, c, d, under a fake clock. */
function casino(options: Partial<BanditOptions> = {}, arms: readonly string[] = ['a', 'b']) {
  const clock = createFakeClock()
  const services = { clock, random: seededRandom(1), logger: undefined }
  const strategy = createStrategy(byBandit({ arms, ...options }), services)
  let calls = 0

  function rank(seed: number, labels: object = {}, views: readonly CandidateView[] = arms.map((name) => view(name))) {
    const context = { random: seededRandom(seed), now: clock.now() }
    return strategy.rank({ labels } as unknown as Call, views, context) as readonly Ranked[]
  }

  /** A call that is answered by what is ranked first. */
  function play(
    known: Readonly<Record<string, Arm>>,
    labels: Record<string, string> = {},
    luck = seededRandom(calls * 7 + 3),
  ) {
    const seed = ++calls
    const ranked = rank(seed, labels)
    const { name } = ranked[0]!
    const { good, costUsd = 0 } = known[name]!
    const record = {
      key: `call-${seed}`,
      labels,
      candidates: ranked,
      attempts: [{ model: name, costNanoUsd: costUsd * 1e9 }],
    } as unknown as CallRecord
    const outcome = { call: { record } as Call, name, ok: luck() < good, latencyMs: 1 }
    strategy.observe?.({ type: 'ended', ...outcome })
    return { name, record, isDrawn: ranked[0]!.reason!.startsWith('drawn at') }
  }

  async function playMany(times: number, known: Readonly<Record<string, Arm>>, everyMs = 0, labels = {}) {
    const taken: string[] = []
    for (let time = 0; time < times; time++) {
      taken.push(play(known, labels).name)
      await clock.advance(everyMs)
    }
    return (name: string, from = 0) => taken.slice(from).filter((one) => one === name).length / (times - from)
  }

  return { clock, strategy, rank, play, playMany }
}

describe('a bandit', () => {
  it.each([
    [{ a: { good: 0.9 }, b: { good: 0.6 } }, 'a'],
    [{ a: { good: 0.6 }, b: { good: 0.9 } }, 'b'],
    [{ a: { good: 0.5 }, b: { good: 0.4 }, c: { good: 0.9 }, d: { good: 0.6 } }, 'c'],
  ])('finds the better arm: of %j %s', async (arms, better) => {
    const { playMany } = casino({}, Object.keys(arms))
    const shareOf = await playMany(600, arms)
    expect(shareOf(better, 300)).toBeGreaterThan(0.9)
  })

  it('weighs what an arm costs against what it is worth', async () => {
    const arms = { a: { good: 0.95, costUsd: 0.01 }, b: { good: 0.9, costUsd: 0.0005 } }
    const [rich, thrifty] = await Promise.all(
      [{ lambda: 0 }, { lambda: 50 }].map((options) => casino(options).playMany(3_000, arms)),
    )
    expect(thrifty!('b', 1_000)).toBeGreaterThan(0.95)
    expect(rich!('a', 1_000)).toBeGreaterThan(0.5)
  })

  it('adapts when the arms change places, because what is old fades', async () => {
    const { playMany } = casino({ halfLifeMs: 60_000 })
    const before = await playMany(600, { a: { good: 0.95 }, b: { good: 0.3 } }, 1_000)
    expect(before('a', 300)).toBeGreaterThan(0.8)
    const after = await playMany(600, { a: { good: 0.3 }, b: { good: 0.95 } }, 1_000)
    expect(after('b', 300)).toBeGreaterThan(0.8)
  })

  it('learns for each domain by itself', async () => {
    const { playMany } = casino()
    const [maths, poems] = [{ domain: 'maths' }, { domain: 'poems' }]
    const inMaths = await playMany(400, { a: { good: 0.9 }, b: { good: 0.4 } }, 0, maths)
    const inPoems = await playMany(400, { a: { good: 0.4 }, b: { good: 0.9 } }, 0, poems)
    expect(inMaths('a', 200)).toBeGreaterThan(0.9)
    expect(inPoems('b', 200)).toBeGreaterThan(0.9)
    expect(inPoems('b', 0)).toBeLessThan(1)
  })

  it('draws no arm whose price nobody knows where cost counts, as long as another has one: it is not free', () => {
    const price = { base: freePrices, tiers: [], source: 'configuration' }
    const arms = [view('a'), view('b', { price })]
    const shownWith = (lambda: number, views: readonly CandidateView[]) =>
      casino({ lambda })
        .rank(1, {}, views)
        .map(({ name, propensity }) => `${name} ${propensity}`)
        .toSorted()
    expect(shownWith(50, arms)).toEqual(['a 0', 'b 1'])
    expect(shownWith(0, arms)).toEqual(['a 0.5', 'b 0.5'])
    expect(shownWith(50, [view('a'), view('b')])).toEqual(['a 0.5', 'b 0.5'])
  })

  it('begins with what it is told to expect, whatever an arm is called', () => {
    const { rank } = casino({ prior: { a: 0.9 } }, ['a', 'constructor'])
    const expected = new Map(rank(1).map(({ name, reason }) => [name, reason?.replace(/^.*; /, '')]))
    expect(expected.get('a')).toBe('expected reward 0.900 by 0 calls')
    expect(expected.get('constructor')).toBe('expected reward 0.500 by 0 calls')
  })

  it('begins with what it is told to expect', () => {
    const chances = (prior: Record<string, number>) =>
      casino({ prior })
        .rank(1)
        .find(({ name }) => name === 'a')!.propensity!
    expect(chances({})).toBeCloseTo(0.5, 9)
    expect(chances({ a: 1, b: 0 })).toBeGreaterThan(0.9)
  })
})

describe('the share of a bandit', () => {
  const seeds = Array.from({ length: 2_000 }, (_, seed) => seed)
  const isDrawn = (ranked: readonly Ranked[]) => ranked[0]!.reason!.startsWith('drawn at')

  it.each([0.02, 0.3, 1])('of %d is respected exactly on the seeds of the calls', (share) => {
    const { rank } = casino({ share })
    const drawn = seeds.filter((seed) => isDrawn(rank(seed)))
    expect(drawn).toEqual(seeds.filter((seed) => seededRandom(seed)() < share))
    expect(Math.abs(drawn.length / seeds.length - share)).toBeLessThan(0.03)
  })

  it('leaves the rest to the best so far, or to another strategy', async () => {
    const best = casino({ share: 0.5 })
    await best.playMany(300, { a: { good: 0.2 }, b: { good: 0.9 } })
    const other = casino({ share: 0.5, strategy: 'ordered' })
    await other.playMany(300, { a: { good: 0.2 }, b: { good: 0.9 } })
    const rest = (rank: typeof best.rank) =>
      new Set(
        seeds
          .map((seed) => rank(seed))
          .filter((one) => !isDrawn(one))
          .map(([first]) => first!.name),
      )
    expect(rest(best.rank)).toEqual(new Set(['b']))
    expect(rest(other.rank)).toEqual(new Set(['a']))
  })

  it('with another strategy counts only what was drawn: what that one chose, it chose for its reasons', () => {
    const { play, rank } = casino({ share: 0.1, strategy: 'ordered' })
    const played = Array.from({ length: 200 }, () => play({ a: { good: 1 }, b: { good: 1 } }))
    const counted = (name: string) => played.filter((one) => one.name === name && one.isDrawn).length
    expect(counted('a') + counted('b')).toBeLessThan(40)
    const drawn = seeds.map((seed) => rank(seed)).find(isDrawn)!
    for (const { name, reason } of drawn) expect(reason).toContain(`by ${counted(name)} calls`)
  })
})

describe('the propensities of a bandit', () => {
  it('are those of all its calls where the rest goes to the best, and of the draws where another strategy orders it', async () => {
    const arms = { a: { good: 0.2 }, b: { good: 0.9 } }
    const best = casino({ share: 0.25, halfLifeMs: 1e12 })
    await best.playMany(30, arms)
    const seeds = Array.from({ length: 6_000 }, (_, seed) => seed)
    const firsts = seeds.filter((seed) => best.rank(seed)[0]!.name === 'a').length / seeds.length
    for (const seed of seeds.slice(0, 50)) {
      const ranked = best.rank(seed)
      expect(ranked.reduce((sum, { propensity }) => sum + propensity!, 0)).toBeCloseTo(1, 9)
      expect(Math.abs(ranked.find(({ name }) => name === 'a')!.propensity! - firsts)).toBeLessThan(0.02)
    }
    const other = casino({ share: 0.25, strategy: 'ordered' })
    for (const seed of seeds.slice(0, 200)) {
      const [first] = other.rank(seed)
      expect(first!.propensity).toBe(seededRandom(seed)() < 0.25 ? 0.5 : undefined)
    }
  })

  it('are recorded for each arm, sum to 1, and are how often each is drawn', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (times, good) => {
          const { playMany, rank } = casino({}, ['a', 'b', 'c'])
          await playMany(times, { a: { good }, b: { good: 0.5 }, c: { good: 1 - good } })
          const firsts: Record<string, number> = { a: 0, b: 0, c: 0 }
          const rounds = 3_000
          for (let seed = 0; seed < rounds; seed++) firsts[rank(seed)[0]!.name]! += 1 / rounds
          const ranked = rank(1)
          expect(ranked.reduce((sum, { propensity }) => sum + propensity!, 0)).toBeCloseTo(1, 9)
          for (const { name, propensity } of ranked) expect(Math.abs(firsts[name]! - propensity!)).toBeLessThan(0.04)
        },
      ),
      { numRuns: 8 },
    )
  })

  it('are 0 for arms that look worse or cannot start, which stand behind', () => {
    const { rank } = casino({}, ['a', 'b', 'c'])
    const views = [view('a', { health: 'degraded' }), view('b', { readyInMs: 500 }), view('c')]
    for (let seed = 0; seed < 50; seed++) {
      const [first, ...others] = rank(seed, {}, views)
      expect(first).toMatchObject({ name: 'c', propensity: 1 })
      expect(others.map(({ propensity }) => propensity)).toEqual([0, 0])
    }
  })

  it('do not move when they are asked for', () => {
    const { rank } = casino()
    const first = rank(5)
    for (let again = 0; again < 20; again++) expect(rank(5)).toEqual(first)
    expect(rank(5)[0]!.reason).toMatch(/^drawn at 50\.0 %; expected reward 0\.500 by 0 calls$/)
  })
})

describe('what a bandit learns from', () => {
  const good = { a: { good: 1 }, b: { good: 1 } }
  const meanOf = ({ rank }: ReturnType<typeof casino>, name: string) =>
    Number(/reward (-?[\d.]+)/.exec(rank(1).find((one) => one.name === name)!.reason!)![1])

  function rate(
    { strategy }: ReturnType<typeof casino>,
    { record, name }: { record: CallRecord; name: string },
    score: number,
  ) {
    const { key: callKey, labels, candidates } = record
    strategy.observe?.({ type: 'rated', callKey, name, score, labels, candidates, costNanoUsd: 0, ageMs: 0 })
  }

  it('is what somebody says of an answer, in place of what the outcome said', () => {
    const table = casino()
    const played = table.play(good)
    expect(meanOf(table, played.name)).toBe(0.75)
    rate(table, played, 0.2)
    expect(meanOf(table, played.name)).toBe(0.35)
    rate(table, played, 0.6)
    expect(meanOf(table, played.name)).toBe(0.55)
  })

  it('is a rating of a call that it has forgotten, or that another process answered', () => {
    const table = casino()
    const { record, name } = casino().play(good)
    rate(table, { record, name }, 0)
    expect(meanOf(table, name)).toBe(0.25)
  })

  it('is a rating of a call in a context that it has forgotten, as of one that it never knew', () => {
    const table = casino({ label: 'user' })
    const [first, ...others] = Array.from({ length: 1_001 }, (_, at) => table.play(good, { user: `user ${at}` }))
    const expected = () => table.rank(1, { user: 'user 0' }).find(({ name }) => name === first!.name)!.reason
    expect(expected()).toContain('expected reward 0.500 by 0 calls')
    rate(table, first!, 0)
    expect(expected()).toContain('expected reward 0.250 by 1 calls')
    expect(others).toHaveLength(1_000)
  })

  it('is no answer that nobody rated, where that is asked for', () => {
    const table = casino({ unrated: 'ignore' })
    const played = table.play(good)
    expect(meanOf(table, played.name)).toBe(0.5)
    rate(table, played, 1)
    expect(meanOf(table, played.name)).toBe(0.75)
  })

  it('is nothing that says no word on the model, and nothing of a model that stood in', () => {
    const table = casino()
    const { record, name } = casino().play(good)
    const other = name === 'a' ? 'b' : 'a'
    const call = { record } as Call
    for (const code of ['cancelled', 'upstream_rejected'])
      table.strategy.observe?.({ type: 'ended', call, name, ok: false, code, latencyMs: 1 })
    table.strategy.observe?.({ type: 'ended', call, name: other, ok: true, latencyMs: 1 })
    expect([meanOf(table, name), meanOf(table, other)]).toEqual([0.5, 0.5])
    table.strategy.observe?.({ type: 'ended', call, name, ok: false, code: 'upstream_error', latencyMs: 1 })
    expect(meanOf(table, name)).toBe(0.25)
  })
})
