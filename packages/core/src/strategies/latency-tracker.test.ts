import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLatencyTracker } from './latency-tracker.ts'
import type { LatencyTrackerOptions } from './latency-tracker.ts'

function setUp(options: LatencyTrackerOptions = { decayCalls: 0.001 }) {
  const clock = createFakeClock()
  const tracker = createLatencyTracker(options, clock)
  const score = (name: string, streaming = false) => tracker.score(name, { now: clock.now(), streaming })
  const answer = (name: string, latencyMs: number) => tracker.record(name, { ok: true, latencyMs })
  const rank = (names: readonly string[], random = Math.random) =>
    tracker.rank(names, { random, now: clock.now(), streaming: false })
  return { clock, tracker, score, answer, rank }
}

describe('the estimate', () => {
  it('jumps to a slower sample at once', () => {
    const { score, answer } = setUp()
    answer('a', 100)
    answer('a', 900)
    expect(score('a')).toBe(900)
  })

  it('goes to a faster sample by and by, with its time constant', () => {
    const { clock, score, answer } = setUp()
    answer('a', 1_000)
    clock.advanceSync(10_000)
    answer('a', 100)
    expect(score('a')).toBeCloseTo(1_000 / Math.E + 100 * (1 - 1 / Math.E))
  })

  it('fades with age', () => {
    const { clock, score, answer, tracker } = setUp()
    answer('a', 1_000)
    tracker.record('b', { ok: true, latencyMs: 1 })
    clock.advanceSync(20_000)
    expect(score('a')).toBeCloseTo(1_000 / Math.E ** 2)
  })

  it('fades no faster than calls come', () => {
    const { clock, score, answer } = setUp({ decayCalls: 10 })
    answer('a', 1_000)
    clock.advanceSync(3_600_000)
    expect(score('a')).toBe(1_000)
    for (let call = 0; call < 10; call++) answer('b', 100)
    expect(score('a')).toBeCloseTo(1_000 / Math.E)
  })

  it('counts the calls in flight', () => {
    const { score, answer, tracker } = setUp()
    answer('a', 100)
    tracker.start('a')
    tracker.start('a')
    expect(score('a')).toBe(300)
    for (let call = 0; call < 3; call++) tracker.end('a')
    expect(score('a')).toBe(100)
  })

  it('keeps whole answers and first tokens apart', () => {
    const { score, tracker } = setUp()
    tracker.record('a', { ok: true, latencyMs: 9_000, firstTokenMs: 300 })
    expect([score('a'), score('a', true)]).toEqual([9_000, 300])
    tracker.record('b', { ok: true, latencyMs: 9_000 })
    expect(score('b', true)).toBeUndefined()
    expect(score('c')).toBeUndefined()
  })

  it('scores a failure with a penalty, doubled by the next one up to a cap, never with its real fast time', () => {
    const { score, tracker, answer } = setUp()
    answer('a', 100)
    const scores = Array.from({ length: 6 }, () => (tracker.record('a', { ok: false, latencyMs: 1 }), score('a')))
    const estimates = scores.map((each, failuresBefore) => each! / (failuresBefore + 2))
    expect(estimates).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
    expect(score('a', true)).toBe(score('a'))
  })

  it('scores a slow failure with at least its real time', () => {
    const { score, tracker } = setUp()
    tracker.record('a', { ok: false, latencyMs: 120_000 })
    expect(score('a')).toBe(2 * 120_000)
  })

  it('counts a failure as a call in flight that fades', () => {
    const { clock, score, tracker } = setUp({ decayCalls: 1_000_000 })
    tracker.record('a', { ok: false, latencyMs: 1 })
    clock.advanceSync(5_000)
    expect(score('a')).toBeCloseTo(5_000 * (1 + 1 / Math.E))
  })
})

describe('the ranking', () => {
  it('puts a clearly faster candidate first and the rest by score', () => {
    const { rank, answer } = setUp()
    for (const [name, latencyMs] of [
      ['c', 900],
      ['a', 100],
      ['d', 5_000],
      ['b', 300],
    ] as const)
      answer(name, latencyMs)
    expect(rank(['a', 'b', 'c', 'd'])).toEqual(['a', 'b', 'c', 'd'])
    expect(rank(['d', 'c', 'b', 'a'])).toEqual(['a', 'b', 'c', 'd'])
  })

  it('draws among equals', () => {
    const { rank, answer } = setUp()
    for (const name of ['a', 'b', 'c']) answer(name, 100)
    const firsts = new Set(Array.from({ length: 100 }, () => rank(['a', 'b', 'c'])[0]))
    expect(firsts).toEqual(new Set(['a', 'b', 'c']))
  })

  it('takes the better of the two drawn', () => {
    const { rank, answer } = setUp()
    for (const [name, latencyMs] of [
      ['a', 100],
      ['b', 120],
      ['c', 140],
    ] as const)
      answer(name, latencyMs)
    const draws = [0.9, 0.9]
    expect(rank(['a', 'b', 'c'], () => draws.shift()!)).toEqual(['b', 'a', 'c'])
  })

  it('tries an unknown candidate with one call at a time', () => {
    const { rank, answer, tracker } = setUp()
    answer('known', 300)
    const firsts = () => new Set(Array.from({ length: 100 }, () => rank(['known', 'new'])[0]))
    expect(firsts()).toEqual(new Set(['known', 'new']))
    tracker.start('new')
    for (let call = 0; call < 5; call++) tracker.start('known')
    expect(firsts()).toEqual(new Set(['known']))
  })

  it('tries a slow candidate again when its score has aged, as an equal of the best', () => {
    const { rank, answer, clock } = setUp({ decayCalls: 10 })
    answer('slow', 2_000)
    for (let call = 0; call < 40; call++) answer('fast', 200)
    const firsts = () => new Set(Array.from({ length: 100 }, () => rank(['fast', 'slow'])[0]))
    expect(firsts()).toEqual(new Set(['fast']))
    clock.advanceSync(40_000)
    expect(firsts()).toEqual(new Set(['fast', 'slow']))
  })

  it('is a permutation, moves no state and depends on nothing but what is handed in', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const sample = fc.record({ name, ok: fc.boolean(), latencyMs: fc.nat({ max: 9_000 }), start: fc.boolean() })
    const names = fc.uniqueArray(name, { maxLength: 5 })
    const draws = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      minLength: 2,
      maxLength: 2,
    })
    fc.assert(
      fc.property(fc.array(sample), names, draws, fc.boolean(), (samples, asked, [one, other], streaming) => {
        const { tracker, clock } = setUp({})
        for (const { start, ...each } of samples) {
          if (start) tracker.start(each.name)
          tracker.record(each.name, each)
          clock.advanceSync(each.latencyMs)
        }
        const rank = () => {
          const given = [one!, other!]
          return tracker.rank(asked, { random: () => given.shift()!, now: clock.now(), streaming })
        }
        const before = asked.map((each) => tracker.score(each, { now: clock.now(), streaming }))
        const ranked = rank()
        expect(ranked.toSorted()).toEqual(asked.toSorted())
        expect(rank()).toEqual(ranked)
        expect(asked.map((each) => tracker.score(each, { now: clock.now(), streaming }))).toEqual(before)
      }),
    )
  })
})

it.each([
  [{ decayMs: 0 }, 'latency tracker: decayMs must be a finite number above 0, got 0'],
  [{ penaltyMs: Infinity }, 'latency tracker: penaltyMs must be a finite number above 0, got Infinity'],
])('refuses %j, saying what came', (options, message) => {
  expect(() => setUp(options)).toThrow(new RangeError(message))
})
