import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from './seeded-random.ts'
import { compareWithModel, type StoreStep } from './store-contract-model.ts'
import type { ContractStore, Entry, ReserveAnswer } from './store-contract-types.ts'

/** A new, empty store, and a way to let its time pass. */
export interface StoreUnderTest {
  store: ContractStore
  /** Lets so many milliseconds of the store's own time pass. */
  advance: (durationMs: number) => void | Promise<void>
  /** Called after each test. */
  close?(): void | Promise<void>
}

const leaseMs = 500_000

/**
 * The tests that every implementation of the store passes. Call it in a test file; it declares a suite.
 *
 * @example
 * storeContract('memory', () => {
 *   const clock = createFakeClock()
 *   return { store: createMemoryStore({ clock }), advance: (durationMs) => clock.advanceSync(durationMs) }
 * })
 */
export function storeContract(name: string, createStore: () => StoreUnderTest | Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let under: StoreUnderTest
    let lastId = 0
    beforeEach(async () => {
      under = await createStore()
    })
    afterEach(() => under.close?.())

    const reserve = async (entries: readonly Entry[], id = `id-${(lastId += 1)}`) =>
      under.store.reserve({ id, entries, leaseMs })
    const settle = async (id: string, amounts: readonly (number | bigint)[]) => under.store.settle(id, amounts)
    const isGranted = async (...entries: Entry[]) => (await reserve(entries)).granted
    const read = async (key: string) => (await under.store.read([key]))[0]!

    it('grants up to the limit and not one more', async () => {
      for (let call = 0; call < 3; call++) expect(await isGranted(requests(3))).toBe(true)
      expect(await isGranted(requests(3))).toBe(false)
      expect(await read('requests')).toMatchObject({ posted: 0, held: 3, remaining: 0 })
    })

    it('takes every entry or none', async () => {
      await reserve([requests(10), tokens(900)])
      const answer = await reserve([requests(10), counter(5), tokens(200)])
      expect(refused(answer)).toMatchObject({ index: 2, key: 'tokens', limit: 1_000, remaining: 100, never: false })
      expect(await read('requests')).toMatchObject({ held: 1 })
      expect((await read('counter')).held).toBe(0)
    })

    it('counts in a window from the reservation until exactly its length later', async () => {
      await reserve([requests(1)], 'first')
      await under.advance(59_000)
      await settle('first', [1])
      expect(refused(await reserve([requests(1)])).retryAfterMs).toBe(1_000)
      await under.advance(999)
      expect(refused(await reserve([requests(1)]))).toMatchObject({ retryAfterMs: 1, resetMs: 1, remaining: 0 })
      await under.advance(1)
      expect(await isGranted(requests(1))).toBe(true)
    })

    it('lets a hold leave the window as its amount would have', async () => {
      await reserve([tokens(1_000)], 'long')
      await under.advance(60_000)
      expect(await isGranted(tokens(1_000))).toBe(true)
      await settle('long', [5_000])
      expect(await read('tokens')).toMatchObject({ posted: 0, held: 1_000 })
    })

    it('gives back at once what was held and not used', async () => {
      await reserve([tokens(1_000)], 'first')
      await settle('first', [400])
      expect(await read('tokens')).toMatchObject({ posted: 400, held: 0, remaining: 600 })
      expect(await isGranted(tokens(600))).toBe(true)
    })

    it('keeps an excess as debt until it leaves the window', async () => {
      await reserve([tokens(500)], 'first')
      await under.advance(10_000)
      await settle('first', [2_500])
      expect(await read('tokens')).toMatchObject({ posted: 2_500, remaining: -1_500 })
      expect(refused(await reserve([tokens(1)]))).toMatchObject({ remaining: 0, retryAfterMs: 50_000 })
      await under.advance(50_000)
      expect(await isGranted(tokens(1_000))).toBe(true)
    })

    it('says when a whole reservation fits, over all its entries', async () => {
      await reserve([tokens(600)])
      await under.advance(20_000)
      await reserve([requests(1), tokens(300)])
      const answer = refused(await reserve([tokens(500), requests(1)]))
      expect(answer).toMatchObject({ index: 0, retryAfterMs: 60_000, resetMs: 60_000 })
      await under.advance(answer.retryAfterMs! - 1)
      expect(await isGranted(tokens(500), requests(1))).toBe(false)
      await under.advance(1)
      expect(await isGranted(tokens(500), requests(1))).toBe(true)
    })

    it('frees a counter that never slides by settling and releasing only', async () => {
      await reserve([counter(2)], 'first')
      await reserve([counter(2)], 'second')
      await under.advance(400_000)
      expect(refused(await reserve([counter(2)]))).toMatchObject({ retryAfterMs: undefined, never: false })
      await settle('first', [0])
      expect(await isGranted(counter(2))).toBe(true)
      expect(await isGranted(counter(2))).toBe(false)
      await under.store.release('second')
      expect(await isGranted(counter(2))).toBe(true)
    })

    it('says that what is larger than its limit never fits', async () => {
      const answer = refused(await reserve([requests(1), tokens(1_001)]))
      expect(answer).toMatchObject({ key: 'tokens', never: true, retryAfterMs: undefined, remaining: 1_000 })
      await reserve([requests(1)])
      expect(refused(await reserve([requests(1), tokens(1_001)]))).toMatchObject({ key: 'requests', never: true })
    })

    it('counts a soft entry and never refuses for it', async () => {
      expect(await isGranted({ ...tokens(5_000), soft: true })).toBe(true)
      expect(await read('tokens')).toMatchObject({ held: 5_000, remaining: -4_000 })
      expect(await isGranted(tokens(1))).toBe(false)
    })

    it('settles the same amounts twice as once, and refuses others', async () => {
      await reserve([requests(5), tokens(100)], 'first')
      expect(await settle('first', [1, 80])).toBe('settled')
      expect(await settle('first', [1, 80])).toBe('repeated')
      await expect(settle('first', [1, 81])).rejects.toThrow(/first/)
      await expect(async () => under.store.release('first')).rejects.toThrow(/first/)
      expect(await read('tokens')).toMatchObject({ posted: 80, held: 0 })
    })

    it('releases twice as once', async () => {
      await reserve([tokens(100)], 'first')
      expect(await under.store.release('first')).toBe('settled')
      expect(await under.store.release('first')).toBe('repeated')
      expect((await read('tokens')).held).toBe(0)
    })

    it('does nothing for an id it does not know', async () => {
      expect(await settle('nobody', [1])).toBe('unknown')
      expect(await under.store.release('nobody')).toBe('unknown')
    })

    it('posts an expired hold at its upper bound, gives concurrency back, and tells of it once', async () => {
      await reserve([calendar(70), counter(1)], 'lost')
      await under.advance(leaseMs - 1)
      expect(await isGranted(counter(1))).toBe(false)
      await under.advance(1)
      expect(await isGranted(counter(1))).toBe(true)
      expect(await read('calendar')).toMatchObject({ posted: 70, held: 0 })
      expect(await under.store.sweep()).toEqual([{ id: 'lost', amounts: [70, 0] }])
      expect(await under.store.sweep()).toEqual([])
    })

    it('corrects an expired hold that is settled late, once', async () => {
      await reserve([calendar(70), counter(1)], 'late')
      await under.advance(leaseMs)
      expect(await settle('late', [25, 0])).toBe('corrected')
      expect(await settle('late', [25, 0])).toBe('repeated')
      await expect(settle('late', [26, 0])).rejects.toThrow(/late/)
      expect(await read('calendar')).toMatchObject({ posted: 25, held: 0 })
    })

    it('counts exactly beyond 2^53', async () => {
      const limit = 2n ** 62n
      const large = (amount: number | bigint): Entry => ({ key: 'large', limit, amount })
      await reserve([large(2n ** 62n - 3n)], 'first')
      await settle('first', [2n ** 62n - 3n])
      expect(await isGranted(large(2))).toBe(true)
      expect(await isGranted(large(2))).toBe(false)
      expect(await isGranted(large(1))).toBe(true)
      expect(await read('large')).toMatchObject({ posted: 2n ** 62n - 3n, held: 3, remaining: 0 })
      expect(refused(await reserve([large(1)])).remaining).toBe(0)
    })

    it('adds safe integers to a sum that is none, exactly', async () => {
      const large: Entry = { key: 'large', limit: 2n ** 60n, amount: Number.MAX_SAFE_INTEGER }
      for (let call = 0; call < 3; call++) await reserve([large], `call-${call}`)
      expect((await read('large')).held).toBe(3n * (2n ** 53n - 1n))
      for (let call = 0; call < 3; call++) await settle(`call-${call}`, [1])
      expect(await read('large')).toMatchObject({ posted: 3, held: 0, remaining: 2n ** 60n - 3n })
    })

    it('knows nothing of a key that was never used', async () => {
      expect(await read('nothing')).toEqual({ posted: 0, held: 0, remaining: undefined, resetMs: undefined })
    })

    it.each([
      ['a negative amount', [tokens(-1)]],
      ['a broken amount', [tokens(1.5)]],
      ['no number', [tokens(Number.NaN)]],
      ['a number beyond the safe integers', [tokens(2 ** 60)]],
      ['a bigint beyond 2^63', [tokens(2n ** 63n)]],
      ['a limit that is none', [{ ...tokens(1), limit: Infinity }]],
      ['a key twice', [tokens(1), tokens(1)]],
    ])('throws on %s and takes nothing', async (_, entries) => {
      await expect(reserve([requests(5), ...entries])).rejects.toThrow(RangeError)
      expect((await read('requests')).held).toBe(0)
    })

    it('throws on an id in use, a lease of nothing and a wrong number of amounts', async () => {
      await reserve([tokens(1)], 'first')
      await expect(reserve([requests(1)], 'first')).rejects.toThrow(/first/)
      await expect(async () => under.store.reserve({ id: 'x', entries: [tokens(1)], leaseMs: 0 })).rejects.toThrow(
        'lease',
      )
      await expect(settle('first', [1, 1])).rejects.toThrow(/1 amounts/)
      expect(await settle('first', [1])).toBe('settled')
    })

    it('refuses to count one key in two windows', async () => {
      await reserve([tokens(1)])
      await expect(reserve([{ ...tokens(1), windowMs: 1_000 }])).rejects.toThrow(/window/)
    })

    it.each(Array.from({ length: 25 }, (_, seed) => seed))('agrees with the naive model (seed %i)', async (seed) => {
      const results = await compareWithModel(randomSteps(seed, 150), under)
      for (const { what, store, model } of results) expect(store, what).toEqual(model)
    })
  })
}

const requests = (limit: number): Entry => ({ key: 'requests', limit, amount: 1, windowMs: 60_000 })
const tokens = (amount: number | bigint): Entry => ({ key: 'tokens', limit: 1_000, amount, windowMs: 60_000 })
const counter = (limit: number): Entry => ({ key: 'counter', limit, amount: 1, onExpiry: 'release' })
const calendar = (amount: number): Entry => ({ key: 'calendar', limit: 100, amount })

function refused(answer: ReserveAnswer): ReserveAnswer & { granted: false } {
  if (answer.granted) throw new Error('Expected a refusal, got a grant')
  return answer
}

/** Reservations over random keys, settled, released and left to expire, with time passing between. */
function randomSteps(seed: number, count: number): StoreStep[] {
  const random = seededRandom(seed)
  const upTo = (most: number) => Math.floor(random() * (most + 1))
  const kinds: ((which: number) => Entry)[] = [
    (which) => ({ key: `requests-${which}`, limit: 4 + which, amount: 1, windowMs: 1_000 }),
    (which) => ({ key: `tokens-${which}`, limit: 1_000, amount: upTo(400), windowMs: 700 }),
    (which) => ({ key: `concurrency-${which}`, limit: 3, amount: 1, onExpiry: 'release' }),
    (which) => ({ key: `money-${which}`, limit: 2n ** 55n, amount: BigInt(upTo(2 ** 50)) * 8n, soft: upTo(9) === 0 }),
  ]
  const entries = () => kinds.filter(() => random() < 0.6).map((kind) => kind(upTo(1)))
  const step = (): StoreStep => {
    const choice = random()
    if (choice < 0.4) return { do: 'reserve', entries: entries(), leaseMs: 100 + upTo(1_500) }
    if (choice < 0.65) return { do: 'settle', back: upTo(6), share: [0, 0.5, 0.75, 1, 1.25][upTo(4)]! }
    if (choice < 0.75) return { do: 'release', back: upTo(6) }
    if (choice < 0.8) return { do: 'sweep' }
    return { do: 'advance', durationMs: upTo(300) }
  }
  return Array.from({ length: count }, step)
}
