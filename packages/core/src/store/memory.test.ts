import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { storeContract } from '../../../testkit/src/store-contract.ts'
import { createMemoryStore } from './memory.ts'
import type { Entry } from './store.ts'

const tokens = (key: string, amount: number): Entry => ({ key, limit: 1_000, amount, windowMs: 60_000 })

function setUp() {
  const clock = createFakeClock()
  return { clock, store: createMemoryStore({ clock }), advance: (durationMs: number) => clock.advanceSync(durationMs) }
}

storeContract('memory', setUp)

describe('createMemoryStore', () => {
  it('answers at once', () => {
    const { store } = setUp()
    expect(store.reserve({ id: 'a', entries: [tokens('a', 1)], leaseMs: 1 })).toEqual({ granted: true })
    expect(store.settle('a', [1])).toBe('settled')
    expect(store.scope).toBe('process')
  })

  it('drops keys as fast as new ones come, once nothing counts under them', () => {
    const { store, clock } = setUp()
    for (let call = 0; call < 20_000; call++) {
      const id = `call-${call}`
      store.reserve({
        id,
        entries: [tokens(`user-${call}`, 1), { key: `now-${call}`, limit: 1, amount: 1 }],
        leaseMs: 1_000,
      })
      store.settle(id, [1, 0])
      clock.advanceSync(100)
    }
    expect(store.size().keys).toBeLessThan(2_000)
    clock.advanceSync(60_000)
    store.sweep()
    expect(store.size()).toMatchObject({ keys: 0, holds: 0 })
  })

  it('keeps a posted total, and forgets it only when it may', () => {
    const { store, clock } = setUp()
    const day = { limit: 100, amount: 60, forgetAfterMs: 86_400_000 }
    store.reserve({
      id: 'a',
      entries: [
        { ...day, key: 'day-1' },
        { limit: 100, amount: 60, key: 'total' },
      ],
      leaseMs: 1_000,
    })
    store.settle('a', [60, 60])
    clock.advanceSync(86_399_999)
    store.sweep()
    expect(store.read(['day-1'])[0]).toMatchObject({ posted: 60 })
    clock.advanceSync(1)
    store.sweep()
    expect(store.read(['day-1'])[0]!.remaining).toBeUndefined()
    expect(store.read(['total'])[0]).toMatchObject({ posted: 60 })
  })

  it('keeps the ids it settled last and forgets the rest', () => {
    const { store } = setUp()
    for (let call = 0; call < 5_000; call++) {
      store.reserve({ id: `call-${call}`, entries: [{ key: 'a', limit: 1, amount: 1 }], leaseMs: 1_000 })
      store.settle(`call-${call}`, [0])
    }
    expect(store.settle('call-4999', [0])).toBe('repeated')
    expect(store.settle('call-0', [0])).toBe('unknown')
    expect(store.size().settled).toBeLessThanOrEqual(1_024)
  })

  it('corrects an expired hold for an hour, then keeps its upper bound', () => {
    const { store, clock } = setUp()
    const entries = [{ key: 'money', limit: 1_000, amount: 100 }]
    store.reserve({ id: 'soon', entries, leaseMs: 1_000 })
    store.reserve({ id: 'late', entries, leaseMs: 1_000 })
    clock.advanceSync(1_000)
    store.sweep()
    clock.advanceSync(3_599_999)
    expect(store.settle('soon', [10])).toBe('corrected')
    clock.advanceSync(1)
    expect(store.settle('late', [10])).toBe('unknown')
    expect(store.read(['money'])[0]).toMatchObject({ posted: 110, held: 0 })
    expect(store.size().holds).toBe(0)
  })

  it('drops the keys of holds that expired, once nobody may correct them any more', () => {
    const { store, clock } = setUp()
    const entries = [{ key: 'day-1', limit: 100, amount: 60, forgetAfterMs: 86_400_000 }]
    store.reserve({ id: 'a', entries, leaseMs: 1_000 })
    clock.advanceSync(1_000)
    store.sweep()
    clock.advanceSync(86_400_000)
    store.sweep()
    expect(store.size()).toMatchObject({ keys: 0, holds: 0 })
  })

  it('does not tell of an expired hold that has been corrected', () => {
    const { store, clock } = setUp()
    store.reserve({ id: 'a', entries: [tokens('a', 10)], leaseMs: 1_000 })
    clock.advanceSync(1_000)
    expect(store.settle('a', [5])).toBe('corrected')
    expect(store.sweep()).toEqual([])
  })

  it('never lets a long window go early, and at most 1/65,536 of it late', () => {
    const { store, clock } = setUp()
    const windowMs = 30 * 86_400_000
    const entry = { key: 'month', limit: 1, amount: 1, windowMs }
    clock.advanceSync(12_345)
    store.reserve({ id: 'a', entries: [entry], leaseMs: 1_000 })
    const answer = store.reserve({ id: 'b', entries: [entry], leaseMs: 1_000 })
    const { retryAfterMs = 0 } = answer.granted ? {} : answer
    expect(retryAfterMs).toBeGreaterThanOrEqual(windowMs)
    expect(retryAfterMs).toBeLessThanOrEqual(windowMs + Math.ceil(windowMs / 65_536))
  })

  it('is exact to the millisecond on a clock that tells fractions of one', () => {
    let now = 0.9
    const { clock } = setUp()
    const store = createMemoryStore({ clock: { ...clock, now: () => now } })
    const entry = { key: 'a', limit: 1, amount: 1, windowMs: 60_000 }
    store.reserve({ id: 'a', entries: [entry], leaseMs: 1_000 })
    now = 60_000.9
    expect(store.reserve({ id: 'b', entries: [entry], leaseMs: 1_000 })).toMatchObject({ granted: false })
    now = 60_001
    expect(store.reserve({ id: 'b', entries: [entry], leaseMs: 1_000 })).toEqual({ granted: true })
  })

  it('refuses options that make no sense, saying what came', () => {
    const { clock } = setUp()
    expect(() => createMemoryStore({ clock, correctableMs: Number.NaN })).toThrow(
      'correctableMs to be 0 or more, got NaN',
    )
  })
})
