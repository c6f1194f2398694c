import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareWithModel, type StoreStep } from '../../../testkit/src/store-contract-model.ts'
import type { Clock } from '../clock.ts'
import { createMemoryStore } from './memory.ts'
import { createSqliteStore } from './sqlite/index.ts'
import type { Entry } from './store.ts'

const which = fc.integer({ min: 0, max: 1 })
const requests = which.map((n): Entry => ({ key: `requests-${n}`, limit: 3, amount: 1, windowMs: 1_000 }))
const tokens = fc.tuple(which, fc.integer({ min: 0, max: 1_100 }), fc.boolean()).map(([n, amount, soft]): Entry => ({
  key: `tokens-${n}`,
  limit: 1_000,
  amount,
  windowMs: 700,
  soft: soft && amount < 50,
}))
const concurrency = which.map((n): Entry => ({ key: `concurrency-${n}`, limit: 2, amount: 1, onExpiry: 'release' }))
const money = fc
  .bigInt({ min: 0n, max: 2n ** 54n })
  .map((amount): Entry => ({ key: 'money', limit: 2n ** 56n, amount }))

const entries = fc.uniqueArray(fc.oneof(requests, tokens, concurrency, money), {
  selector: ({ key }) => key,
  maxLength: 5,
})
const back = fc.integer({ min: 0, max: 5 })
const step: fc.Arbitrary<StoreStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('reserve'), entries, leaseMs: fc.integer({ min: 1, max: 1_500 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), back, share: fc.constantFrom(0, 0.5, 1, 1.5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release'), back }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), durationMs: fc.integer({ min: 0, max: 1_000 }) }) },
)

const stores = {
  memory: (clock: Clock) => ({ store: createMemoryStore({ clock }), close: () => {} }),
  sqlite(clock: Clock) {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-store-'))
    const store = createSqliteStore({ file: join(folder, 'store.db'), clock })
    function close() {
      store.close()
      rmSync(folder, { recursive: true })
    }
    return { store, close }
  },
}

it.each(Object.keys(stores) as (keyof typeof stores)[])(
  '%s never counts more than was granted, and says what the naive model says',
  async (name) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = createFakeClock()
        const { store, close } = stores[name](clock)
        const advance = (durationMs: number) => clock.advanceSync(durationMs)
        const results = await compareWithModel(steps, { store, advance })
        close()
        for (const { what, store: said, model } of results) expect(said, what).toEqual(model)
      }),
      { numRuns: name === 'memory' ? 300 : 25 },
    )
  },
)
