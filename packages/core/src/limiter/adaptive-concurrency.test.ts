import { createFakeClock } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import { createAdaptiveConcurrency } from './adaptive-concurrency.ts'

function setUp(options: { initial?: number; minimum?: number; maximum?: number } = {}) {
  const clock = createFakeClock()
  const adaptive = createAdaptiveConcurrency({ clock, ...options })
  /** As many calls at once as are allowed, or as told, all answered after the same time. */
  const round = (latencyMs: number, calls = adaptive.limit()) => {
    const samples = Array.from({ length: calls }, () => adaptive.start())
    clock.advanceSync(latencyMs)
    for (const sample of samples) sample.succeeded()
  }
  return { clock, adaptive, round }
}

it('rises to its maximum while latency stays as it is and all of it is used', () => {
  const { adaptive, round } = setUp({ maximum: 200 })
  for (let time = 0; time < 20; time++) round(300)
  expect(adaptive.limit()).toBe(200)
})

it('falls when latency rises, and recovers when it falls again', () => {
  const { adaptive, round } = setUp({ maximum: 100 })
  for (let time = 0; time < 20; time++) round(300)
  const before = adaptive.limit()
  for (let time = 0; time < 3; time++) round(3_000)
  const loaded = adaptive.limit()
  expect(loaded).toBeLessThan(before / 2)
  for (let time = 0; time < 40; time++) round(300)
  expect(adaptive.limit()).toBeGreaterThan(2 * loaded)
})

it('does not rise on room that nobody uses', () => {
  const { adaptive, round } = setUp({ initial: 50 })
  for (let time = 0; time < 50; time++) round(300, 10)
  expect(adaptive.limit()).toBe(50)
})

it('falls by a tenth for a burst of dropped calls, however many', () => {
  const { adaptive, clock } = setUp({ initial: 100 })
  const burst = Array.from({ length: 40 }, () => adaptive.start())
  clock.advanceSync(100)
  for (const sample of burst) sample.dropped()
  expect(adaptive.limit()).toBe(90)
  clock.advanceSync(1)
  adaptive.start().dropped()
  expect(adaptive.limit()).toBe(81)
})

it('learns nothing from calls that are ignored', () => {
  const { adaptive, clock } = setUp({ initial: 10 })
  const samples = Array.from({ length: 10 }, () => adaptive.start())
  clock.advanceSync(60_000)
  for (const sample of samples) sample.ignored()
  expect(adaptive.limit()).toBe(10)
  expect(adaptive.inFlight()).toBe(0)
})

it('ends a call once', () => {
  const { adaptive } = setUp()
  const sample = adaptive.start()
  sample.ignored()
  sample.dropped()
  sample.succeeded()
  expect(adaptive.inFlight()).toBe(0)
  expect(adaptive.limit()).toBe(20)
})

it('never leaves its bounds', () => {
  const { adaptive, clock } = setUp({ initial: 10, minimum: 4 })
  for (let time = 0; time < 100; time++) {
    clock.advanceSync(10)
    adaptive.start().dropped()
  }
  expect(adaptive.limit()).toBe(4)
})

it('refuses options that make no sense, saying what came', () => {
  const { clock } = setUp()
  expect(() => createAdaptiveConcurrency({ clock, initial: 5, minimum: 6 })).toThrow('got 6, 5 and 1000')
  expect(() => createAdaptiveConcurrency({ clock, tolerance: 0.5 })).toThrow('tolerance to be 1 or more, got 0.5')
})
