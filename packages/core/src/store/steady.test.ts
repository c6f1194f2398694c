import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from './memory.ts'
import { createSteadyStore, type StoreChange } from './steady.ts'
import type { Entry, Store } from './store.ts'

const tokens: Entry = { key: 'tokens', limit: 100, amount: 10, windowMs: 60_000, whenDown: 'share' }
const money: Entry = { key: 'money', limit: 100, amount: 60 }
const leaseMs = 1_000

/** A store that four processes share and that can be broken, answering at once or by promise. */
function setUp({ isAsync = false } = {}) {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  /** Of a part only what is about that key, or is asked in that way. */
  let broken: boolean | string = false
  let asked = 0
  const through =
    <A extends unknown[], R>(run: (...args: A) => R, how?: string) =>
    (...args: A) => {
      asked += 1
      const answer = () => {
        const isMeant = typeof broken === 'string' ? how === broken || JSON.stringify(args).includes(broken) : broken
        if (isMeant) throw new Error('no connection')
        return run(...args)
      }
      return isAsync ? (Promise.resolve().then(answer) as R) : answer()
    }
  const store: Store = {
    scope: 'cluster',
    sharers: () => 4,
    reserve: through(memory.reserve),
    settle: through(memory.settle, 'settle'),
    release: through(memory.release),
    read: through(memory.read),
    sweep: through(memory.sweep),
  }
  const changes: StoreChange[] = []
  const steady = createSteadyStore(store, { clock, onChange: (change) => changes.push(change) })
  let lastId = 0
  const reserve = async (...entries: Entry[]) => steady.reserve({ id: `${(lastId += 1)}`, entries, leaseMs })
  return {
    clock,
    memory,
    steady,
    changes,
    reserve,
    asked: () => asked,
    breakDown: (part: true | string = true) => void (broken = part),
    repair: () => void (broken = false),
  }
}

describe.each([{ isAsync: false }, { isAsync: true }])('a steady store before one that fails ($isAsync)', (how) => {
  it('is the store itself while that works', async () => {
    const { steady, reserve, changes } = setUp(how)
    expect(await reserve(money)).toEqual({ granted: true })
    expect(await reserve(money)).toMatchObject({ granted: false, remaining: 40 })
    expect(await steady.settle('1', [5])).toBe('settled')
    expect(await steady.read(['money'])).toMatchObject([{ posted: 5, held: 0 }])
    expect([steady.scope, steady.sharers(), steady.isUp(), changes]).toEqual(['cluster', 4, true, []])
  })

  it('refuses what is closed, which is what an entry is that does not say', async () => {
    const { steady, reserve, breakDown, changes } = setUp(how)
    breakDown()
    const refusal = { code: 'store_unavailable', retryAfterMs: 1_000, cause: new Error('no connection') }
    await expect(reserve(money)).rejects.toMatchObject(refusal)
    await expect(reserve(tokens, { ...money, whenDown: 'closed' })).rejects.toMatchObject(refusal)
    expect(steady.isUp()).toBe(false)
    expect(changes).toEqual([{ isUp: false, error: new Error('no connection') }])
  })

  it('lets everything through what is open', async () => {
    const { reserve, breakDown } = setUp(how)
    breakDown()
    for (let call = 0; call < 20; call++)
      expect(await reserve({ ...money, whenDown: 'open' })).toEqual({ granted: true })
  })

  it('goes on with an equal part of what is shared, and settles it', async () => {
    const { steady, reserve, breakDown } = setUp(how)
    breakDown()
    expect(await reserve(tokens)).toEqual({ granted: true })
    expect(await reserve(tokens)).toEqual({ granted: true })
    expect(await reserve(tokens)).toMatchObject({ granted: false, key: 'tokens', limit: 25n })
    expect(await steady.settle('1', [3])).toBe('settled')
    expect(await reserve(tokens)).toEqual({ granted: true })
  })

  it('refuses for now what is too large for its part alone, and for good what is too large for the whole', async () => {
    const { reserve, clock, breakDown, repair } = setUp(how)
    breakDown()
    const large = { ...tokens, amount: 60 }
    expect(await reserve(large)).toMatchObject({ granted: false, never: false, retryAfterMs: 1_000 })
    expect(await reserve({ ...tokens, amount: 101 })).toMatchObject({ never: true, retryAfterMs: undefined })
    repair()
    clock.advanceSync(1_000)
    expect(await reserve(large)).toEqual({ granted: true })
  })

  it('does not ask again for a second, and then goes back to it', async () => {
    const { steady, reserve, clock, asked, breakDown, repair, changes } = setUp(how)
    breakDown()
    await reserve(tokens)
    const before = asked()
    repair()
    clock.advanceSync(999)
    await reserve(tokens)
    expect(asked()).toBe(before)
    clock.advanceSync(1)
    await reserve(tokens)
    expect(steady.isUp()).toBe(true)
    expect(changes.map(({ isUp }) => isUp)).toEqual([false, true])
  })

  it('posts what was spent meanwhile once it is back, over the limit if need be, and what was held in full', async () => {
    const { memory, steady, reserve, clock, breakDown, repair } = setUp(how)
    const open: Entry = { ...money, whenDown: 'open' }
    breakDown()
    for (let call = 0; call < 3; call++) await reserve(open)
    await steady.settle('1', [50])
    await steady.settle('2', [45])
    repair()
    clock.advanceSync(1_000)
    await reserve(tokens)
    await clock.settle()
    expect(memory.read(['money'])).toMatchObject([{ posted: 155, held: 0, remaining: -55 }])
    expect(await steady.settle('3', [1])).toBe('unknown')
    expect(await reserve(open)).toMatchObject({ granted: false })
  })

  it('keeps what it owes when the store fails again', async () => {
    const { memory, reserve, clock, breakDown, repair } = setUp(how)
    breakDown()
    await reserve({ ...money, whenDown: 'open' })
    clock.advanceSync(1_000)
    for (const part of ['money', undefined]) {
      if (part) breakDown(part)
      else repair()
      await reserve(tokens)
      await clock.settle()
      clock.advanceSync(1_000)
    }
    expect(memory.read(['money'])).toMatchObject([{ posted: 60 }])
  })

  it('pays nothing twice where the store takes a payment and fails before it says so (LiteLLM #30460)', async () => {
    const { memory, reserve, clock, breakDown, repair } = setUp(how)
    breakDown()
    await reserve({ ...money, whenDown: 'open' })
    clock.advanceSync(1_000)
    breakDown('settle')
    await reserve(tokens)
    await clock.settle()
    repair()
    for (let second = 0; second < 3; second++) {
      clock.advanceSync(1_000)
      await reserve({ ...tokens, amount: 1 })
      await clock.settle()
    }
    memory.sweep()
    expect(memory.read(['money'])).toMatchObject([{ posted: 60, held: 0 }])
  })

  it('gives nobody its part anew when the store fails again', async () => {
    const { memory, reserve, clock, breakDown, repair, changes } = setUp(how)
    breakDown()
    for (const granted of [true, true, false]) expect(await reserve(tokens)).toMatchObject({ granted })
    for (let time = 0; time < 3; time++) {
      breakDown('tokens')
      clock.advanceSync(1_000)
      await reserve({ ...money, amount: 1 })
      await clock.settle()
      expect(await reserve(tokens)).toMatchObject({ granted: false, key: 'tokens' })
    }
    expect(changes.map(({ isUp }) => isUp)).toEqual([false, true, false, true, false, true, false])
    repair()
    clock.advanceSync(1_000)
    await reserve({ ...money, amount: 1 })
    await clock.settle()
    expect(memory.read(['tokens'])).toMatchObject([{ posted: 20, held: 0 }])
  })

  it('is not back because it can be read', async () => {
    const { steady, reserve, clock, asked, breakDown, repair } = setUp(how)
    breakDown()
    await reserve(tokens)
    const before = asked()
    repair()
    clock.advanceSync(1_000)
    expect(await steady.read(['tokens'])).toMatchObject([{ posted: 10 }])
    expect([steady.isUp(), asked()]).toEqual([false, before])
  })

  it('leaves a hold that cannot be settled to its lease', async () => {
    const { memory, steady, reserve, clock, breakDown } = setUp(how)
    await reserve(money)
    breakDown()
    expect(await steady.settle('1', [5])).toBe('unknown')
    clock.advanceSync(leaseMs)
    expect(memory.read(['money'])).toMatchObject([{ posted: 60, held: 0 }])
  })

  it('hands the mistakes of its user on', async () => {
    const { steady, reserve, changes } = setUp(how)
    await expect(reserve({ ...money, amount: -1 })).rejects.toThrow(RangeError)
    await reserve(money)
    await expect((async () => steady.settle('2', [1, 2]))()).rejects.toThrow('Expected 1 amounts')
    expect(changes).toEqual([])
  })
})
