import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { isPromise } from '../after.ts'
import { createMemoryStore } from '../memory.ts'
import { createSqliteStore } from './index.ts'
import type { Entry, Reservation } from '../store.ts'

const which = fc.integer({ min: 0, max: 1 })
const entry: fc.Arbitrary<Entry> = fc.oneof(
  which.map((n) => ({ key: `requests-${n}`, limit: 40, amount: 1, windowMs: 1_000 })),
  fc
    .tuple(which, fc.integer({ min: 1, max: 90 }))
    .map(([n, amount]) => ({ key: `tokens-${n}`, limit: 1_000, amount, windowMs: 700 })),
  which.map((n) => ({ key: `running-${n}`, limit: 12, amount: 1, onExpiry: 'release' as const })),
  fc.integer({ min: 1, max: 90 }).map((amount) => ({ key: 'money', limit: 6_000, amount })),
)
const entries = fc.uniqueArray(entry, { selector: ({ key }) => key, minLength: 1, maxLength: 4 })
const process = fc.integer({ min: 0, max: 2 })
const back = fc.integer({ min: 0, max: 9 })
const share = fc.constantFrom(0, 0.5, 1)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      process,
      entries,
      times: fc.integer({ min: 1, max: 12 }),
      leaseMs: fc.integer({ min: 200, max: 2_000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), back, share }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('advance' as const), durationMs: fc.integer({ min: 0, max: 400 }) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Taken {
  id: string
  process: number
  entries: readonly Entry[]
}

it('grants over several processes exactly what one store in memory grants, and never counts less', async () => {
  const holds = fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const folder = mkdtempSync(join(tmpdir(), 'signalbox-store-'))
      try {
        await compareWithMemory(join(folder, 'store.db'), steps)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    { numRuns: 20 },
  )
  await expect(holds).resolves.toBeUndefined()
}, 30_000)

async function compareWithMemory(file: string, steps: readonly Step[]) {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const stores = Array.from({ length: 3 }, () => createSqliteStore({ file, clock }))
  const limits = new Map<string, number>()
  const taken: Taken[] = []
  let lastId = 0

  for (const next of steps) {
    await take(next)
    checkReadings()
  }
  for (const store of stores) store.close()

  async function take(next: Step) {
    if (next.do === 'advance') return clock.advanceSync(next.durationMs)
    if (next.do === 'settle') return settle(next)
    for (let time = 0; time < next.times; time++) await reserve(next)
  }

  async function reserve({ process: place, entries: asked, leaseMs }: Step & { do: 'reserve' }) {
    const id = `hold-${(lastId += 1)}`
    const granted = await isGranted(place, { id, entries: asked, leaseMs })
    expect({ id, granted }).toEqual({ id, granted: memory.reserve({ id, entries: asked, leaseMs }).granted })
    if (!granted) return
    taken.push({ id, process: place, entries: asked })
    for (const { key, limit } of asked) limits.set(key, Number(limit))
  }

  /** What has left a window or whose lease ended while one waits shows only when its process is swept. */
  async function isGranted(place: number, reservation: Reservation): Promise<boolean> {
    for (;;) {
      const startedAt = clock.now()
      for (const store of stores) store.sweep()
      const answer = stores[place]!.reserve(reservation)
      const { granted } = isPromise(answer) ? await settled(answer) : answer
      if (granted || clock.now() === startedAt) return granted
    }
  }

  async function settled<T>(answer: Promise<T>): Promise<T> {
    const over = answer.then(() => true)
    while (!(await Promise.race([over, clock.advance(1).then(() => false)])));
    return answer
  }

  function settle({ back: places, share: used }: Step & { do: 'settle' }) {
    const found = taken[taken.length - 1 - places]
    if (found === undefined) return
    const amounts = found.entries.map(({ amount, onExpiry }) =>
      onExpiry === 'release' ? 0 : Math.floor(Number(amount) * used),
    )
    const inMemory = attempt(() => memory.settle(found.id, amounts))
    expect(attempt(() => stores[found.process]!.settle(found.id, amounts))).toBe(inMemory)
  }

  function checkReadings() {
    const keys = [...limits.keys()]
    const exact = memory.read(keys)
    for (const store of stores) {
      for (const [index, { posted, held }] of store.read(keys).entries()) {
        const counted = Number(posted) + Number(held)
        expect(counted).toBeLessThanOrEqual(limits.get(keys[index]!)!)
        expect(counted).toBeGreaterThanOrEqual(Number(exact[index]!.posted) + Number(exact[index]!.held))
      }
    }
  }
}

function attempt<T>(run: () => T): T | 'error' {
  try {
    return run()
  } catch {
    return 'error'
  }
}
