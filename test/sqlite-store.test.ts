import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Spent } from './support/store-orders.ts'
import { startStoreProcess, type StoreProcess, temporaryFolder } from './support/processes.ts'

const { folder, remove } = temporaryFolder()
const processes: StoreProcess[] = []

beforeAll(async () => {
  const started = Array.from({ length: 4 }, () => startStoreProcess(join(folder, 'store.db')))
  processes.push(...(await Promise.all(started)))
}, 30_000)

afterAll(async () => {
  await Promise.all(processes.map((one) => one.tell({ do: 'close' })))
  remove()
})

it.each([1, 7, 100])('admits exactly %i of 200 concurrent calls that 4 processes get', async (fitting) => {
  const entries = [{ key: `room-for-${fitting}`, limit: fitting * 10 + 9, amount: 10 }]
  const granted = await Promise.all(processes.map((one) => one.tell<number>({ do: 'reserve', entries, times: 50 })))
  expect(sum(granted)).toBe(fitting)
})

it.each([1, 7, 100])(
  'admits exactly %i more after each process spent from a slice',
  async (fitting) => {
    const key = `spent-before-${fitting}`
    const limit = 100_000_000
    const each = [{ key, limit, amount: 10 }]
    const spent = await Promise.all(
      processes.map((one) => one.tell<Spent>({ do: 'spend', entries: each, durationMs: 200 })),
    )
    const left = limit - 10 * sum(spent.map(({ times }) => times))
    const entries = [{ key, limit, amount: Math.floor(left / fitting) }]
    const granted = await Promise.all(processes.map((one) => one.tell<number>({ do: 'reserve', entries, times: 50 })))
    expect(sum(granted)).toBe(fitting)
  },
  20_000,
)

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
