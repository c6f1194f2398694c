import { createFakeClock } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import { createAdaptiveConcurrency } from './adaptive-concurrency.ts'

function setUp(options: { initial?: number; minimum?: number; maximum?: number } = {}) {
  const clock = createFakeClock()
  const adaptive = createAdaptiveConcurrency(options, clock)
  /** As many calls at once as are allowed, or as told, all answered after the same time. */
  const round = (latencyMs: number, calls = adaptive.limit()) => {
    const samples = Array.from({ length: calls }, () => adaptive.start('wholeAnswer'))
    clock.advanceSync(latencyMs)
    for (const sample of samples) {
      sample.succeeded()
      sample.end()
    }
  }
  return { clock, adaptive, round }
}

it('rises to its maximum while latency stays as it is and all of it is used', () => {
  const { adaptive, round } = setUp({ maximum: 200 })
  for (let time = 0; time < 150; time++) round(300)
  expect(adaptive.limit()).toBe(200)
})

it('falls when latency rises, and recovers when it falls again', () => {
  const { adaptive, round } = setUp({ maximum: 100 })
  for (let time = 0; time < 20; time++) round(300)
  const before = adaptive.limit()
  for (let time = 0; time < 10; time++) round(3_000)
  const loaded = adaptive.limit()
  expect(loaded).toBeLessThan(before / 2)
  for (let time = 0; time < 80; time++) round(300)
  expect(adaptive.limit()).toBeGreaterThan(2 * loaded)
})

it('learns what is usual from calls with few others beside them', () => {
  const { adaptive, round } = setUp({ initial: 20, maximum: 20 })
  round(100, 1)
  round(400)
  expect(adaptive.limit()).toBeLessThan(20)
  for (let time = 0; time < 50; time++) round(400, 1)
  for (let time = 0; time < 20; time++) round(400)
  expect(adaptive.limit()).toBe(20)
})

it('does not rise on room that nobody uses', () => {
  const { adaptive, round } = setUp({ initial: 50 })
  for (let time = 0; time < 50; time++) round(300, 10)
  expect(adaptive.limit()).toBe(50)
})

it('falls by a tenth for a burst of dropped calls, however many', () => {
  const { adaptive, clock } = setUp({ initial: 100 })
  const burst = Array.from({ length: 40 }, () => adaptive.start('wholeAnswer'))
  clock.advanceSync(100)
  for (const sample of burst) {
    sample.dropped()
    sample.end()
  }
  expect(adaptive.limit()).toBe(90)
  clock.advanceSync(1)
  adaptive.start('wholeAnswer').dropped()
  expect(adaptive.limit()).toBe(81)
})

it('learns nothing from calls that only end', () => {
  const { adaptive, clock } = setUp({ initial: 10 })
  const samples = Array.from({ length: 10 }, () => adaptive.start('wholeAnswer'))
  clock.advanceSync(60_000)
  for (const sample of samples) sample.end()
  expect(adaptive.limit()).toBe(10)
  expect(adaptive.inFlight()).toBe(0)
})

it('ends a call once', () => {
  const { adaptive } = setUp()
  const sample = adaptive.start('wholeAnswer')
  sample.end()
  sample.dropped()
  sample.succeeded()
  sample.end()
  expect(adaptive.inFlight()).toBe(0)
  expect(adaptive.limit()).toBe(20)
})

it('counts a stream as under way after its first content, and learns from that only', () => {
  const { adaptive, clock } = setUp({ initial: 10 })
  const streams = Array.from({ length: 10 }, () => adaptive.start('firstContent'))
  clock.advanceSync(300)
  for (const stream of streams) stream.succeeded()
  const learned = adaptive.limit()
  expect(learned).toBeGreaterThan(10)
  expect(adaptive.inFlight()).toBe(10)
  clock.advanceSync(60_000)
  for (const stream of streams) {
    stream.dropped()
    stream.end()
  }
  expect(adaptive.limit()).toBe(learned)
  expect(adaptive.inFlight()).toBe(0)
})

it('does not take long answers for slow first contents', () => {
  const { adaptive, clock, round } = setUp({ maximum: 100 })
  const streams = () => {
    const samples = Array.from({ length: adaptive.limit() }, () => adaptive.start('firstContent'))
    clock.advanceSync(300)
    for (const sample of samples) {
      sample.succeeded()
      sample.end()
    }
  }
  for (let time = 0; time < 20; time++) streams()
  const before = adaptive.limit()
  for (let time = 0; time < 20; time++) round(10_000)
  expect(adaptive.limit()).toBeGreaterThan(before)
})

it('starts within its bounds where nothing is said of the start', () => {
  expect(setUp({ maximum: 5 }).adaptive.limit()).toBe(5)
  expect(setUp({ minimum: 30 }).adaptive.limit()).toBe(30)
})

it('never leaves its bounds', () => {
  const { adaptive, clock } = setUp({ initial: 10, minimum: 4 })
  for (let time = 0; time < 100; time++) {
    clock.advanceSync(10)
    adaptive.start('wholeAnswer').dropped()
  }
  expect(adaptive.limit()).toBe(4)
})

it('refuses options that make no sense, saying what came', () => {
  const { clock } = setUp()
  expect(() => createAdaptiveConcurrency({ initial: 5, minimum: 6 }, clock)).toThrow('got 6, 5 and 1000')
  expect(() => createAdaptiveConcurrency({ tolerance: 0.5 }, clock)).toThrow('tolerance to be 1 or more, got 0.5')
})
