import { createFakeClock, seededRandom } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import type { Random } from '../clock.ts'
import { createLatencyTracker } from './latency-tracker.ts'

/** What a simulated model does with a call that begins at `nowMs`. */
type Model = (nowMs: number, random: Random) => { latencyMs: number; ok: boolean }

const names = ['a', 'b', 'c']
const steady =
  (meanMs: number): Model =>
  (_, random) => ({ latencyMs: meanMs * (0.5 + random()), ok: true })

const rateLimited: Model = () => ({ latencyMs: 1, ok: false })
const flaky: Model = (_, random) => ({ latencyMs: 50, ok: random() < 0.5 })
const slowForTwoMinutes: Model = (nowMs, random) =>
  steady(nowMs >= 60_000 && nowMs < 180_000 ? 5_000 : 500)(nowMs, random)

/** Models behind the tracker on a fake clock, with the count of calls each got in each second. */
function simulate(models: Record<string, Model>, seed: number) {
  const clock = createFakeClock()
  const random = seededRandom(seed)
  const tracker = createLatencyTracker({}, clock)
  const calls: { atMs: number; name: string }[] = []

  const choose = () => tracker.rank(Object.keys(models), { random, now: clock.now(), streaming: false })[0]!

  function call(name = choose(), whenDone?: () => void) {
    const { latencyMs, ok } = models[name]!(clock.now(), random)
    calls.push({ atMs: clock.now(), name })
    tracker.start(name)
    clock.setTimeout(() => {
      tracker.end(name)
      tracker.record(name, { ok, latencyMs })
      whenDone?.()
    }, latencyMs)
  }

  function open(perSecond: number, seconds: number) {
    for (let index = 0; index < perSecond * seconds; index++) {
      call()
      clock.advanceSync(1_000 / perSecond)
    }
  }

  function share(name: string, fromSecond: number, toSecond: number) {
    const between = calls.filter(({ atMs }) => atMs >= fromSecond * 1_000 && atMs < toSecond * 1_000)
    return between.filter((one) => one.name === name).length / between.length
  }

  return { clock, choose, call, open, share }
}

describe.each([1, 2, 3])('with seed %i', (seed) => {
  it.each([2, 20, 200])('sends almost nothing to a model that answers 429 in 1 ms, at %i calls/s', (perSecond) => {
    const { open, share } = simulate({ a: steady(700), b: rateLimited, c: steady(900) }, seed)
    open(perSecond, 200)
    expect(share('b', 0, 200)).toBeLessThan(0.025)
    expect(share('b', 0, 200)).toBeGreaterThan(0)
  })

  it('sends little to a model that fails half of its calls, however fast the others are', () => {
    const { open, share } = simulate({ a: steady(700), b: flaky, c: steady(900) }, seed)
    open(100, 100)
    expect(share('b', 0, 100)).toBeLessThan(0.05)
  })

  it.each([2, 20, 200])(
    'takes a model 10 times slower out within seconds and back after, at %i calls/s',
    (perSecond) => {
      const { open, share } = simulate({ a: slowForTwoMinutes, b: steady(500), c: steady(500) }, seed)
      open(perSecond, 300)
      expect(share('a', 10, 60)).toBeGreaterThan(0.2)
      expect(share('a', 65, 180)).toBeLessThan(0.05)
      expect(share('a', 210, 300)).toBeGreaterThan(0.2)
    },
  )

  it('spreads 50 concurrent callers evenly over three equal models', () => {
    const { clock, call, share } = simulate({ a: steady(700), b: steady(700), c: steady(700) }, seed)
    const loop = () => call(undefined, loop)
    for (let caller = 0; caller < 50; caller++) loop()
    clock.advanceSync(600_000)
    for (const name of names) expect(Math.abs(share(name, 0, 600) * 3 - 1)).toBeLessThan(0.2)
  })

  it('spreads 50 callers who all choose before any of them starts, known models or not', () => {
    const { clock, call, choose } = simulate({ a: steady(700), b: steady(700), c: steady(700) }, seed)
    for (let round = 0; round < 20; round++) {
      const chosen = Array.from({ length: 50 }, choose)
      for (const name of names) expect(chosen.filter((one) => one === name).length).toBeLessThan(40)
      for (const name of chosen) call(name)
      clock.advanceSync(2_000)
    }
  })

  it('sends no more than a probe now and then to a slow model under sparse traffic', () => {
    const { open, share } = simulate({ a: steady(300), b: steady(3_000) }, seed)
    open(1 / 60, 60 * 500)
    expect(share('b', 0, 30_000)).toBeLessThan(0.08)
    expect(share('b', 0, 30_000)).toBeGreaterThan(0)
  })

  it('tries a new model soon and does not run to it', () => {
    const { clock, open, call, choose } = simulate({ a: steady(300), new: steady(20_000) }, seed)
    open(0.5, 20)
    const chosen = Array.from({ length: 50 }, () => {
      const name = choose()
      call(name)
      return name
    })
    expect(chosen.filter((name) => name === 'new').length).toBeLessThan(15)
    clock.advanceSync(60_000)
  })
})
