import { createFakeClock } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import { createMemoryStore } from '../store/memory.ts'
import { createLimiter } from './limiter.ts'
import { createSlowStart } from './slow-start.ts'

const need = { requests: 1, tokens: 1 }

function setUp() {
  const clock = createFakeClock()
  const slowStart = createSlowStart({ clock })
  let pausedUntilMs: number | undefined
  const gate = slowStart.gate('model:a', () => {
    if (pausedUntilMs !== undefined && clock.now() >= pausedUntilMs) pausedUntilMs = undefined
    return pausedUntilMs
  })
  const pause = (forMs: number) => void (pausedUntilMs = clock.now() + forMs)
  return { clock, slowStart, gate, pause }
}

it('lets everyone through where there was no pause', () => {
  const { gate, slowStart } = setUp()
  expect(gate.check(need)).toBeUndefined()
  expect(slowStart.knows('model:a')).toBe(false)
})

it('stops everyone until the pause is over', () => {
  const { clock, gate, pause } = setUp()
  pause(5_000)
  expect(gate.check(need)).toMatchObject({ retryAfterMs: 5_000 })
  clock.advanceSync(4_999)
  expect(gate.check(need)).toMatchObject({ retryAfterMs: 1 })
  clock.advanceSync(1)
  expect(gate.check(need)).toBeUndefined()
})

it('lets those who waited come back by and by', async () => {
  const { clock, gate, pause } = setUp()
  const limiter = createLimiter({ store: createMemoryStore({ clock }), clock })
  pause(1_000)
  const cameBackAt: number[] = []
  for (let id = 0; id < 9; id++) {
    const answer = limiter.acquire({ id: `${id}`, limits: [], tokens: 1, gate })
    void Promise.resolve(answer).then(() => cameBackAt.push(clock.now()))
  }
  await clock.advance(2_000)
  expect(cameBackAt).toEqual([1_000, 1_250, 1_397, 1_500, 1_581, 1_647, 1_702, 1_750, 1_793])
})

it('begins again with each pause', () => {
  const { clock, gate, pause } = setUp()
  pause(1_000)
  gate.check(need)
  clock.advanceSync(1_000)
  gate.pass(need)
  expect(gate.check(need)).toMatchObject({ retryAfterMs: 250 })
  pause(400)
  expect(gate.check(need)).toMatchObject({ retryAfterMs: 400 })
  clock.advanceSync(400)
  expect(gate.check(need)).toBeUndefined()
})

it('forgets a pause once all may have come back', () => {
  const { clock, gate, pause, slowStart } = setUp()
  pause(1_000)
  gate.check(need)
  expect(slowStart.knows('model:a')).toBe(true)
  clock.advanceSync(1_000 + 14 * 250)
  gate.check(need)
  expect(slowStart.knows('model:a')).toBe(false)
})
