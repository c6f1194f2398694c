import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { createBatches } from './batches.ts'

function setUp() {
  const clock = createFakeClock()
  const written: (readonly number[])[] = []
  const safe: number[] = []
  let isFull = false
  const batches = createBatches<number>({
    clock,
    batchMs: 50,
    commit(batch) {
      if (isFull) throw new Error('the disk is full')
      written.push(batch)
    },
    acknowledge: async (batch) => void safe.push(...batch),
    onError: () => undefined,
  })
  const addMany = (rows: number) => {
    for (let row = 0; row < rows; row++) batches.add(row)
  }
  return { clock, batches, addMany, written, safe, fill: (full: boolean) => void (isFull = full) }
}

describe('rows that wait for a disk', () => {
  it('are written some at a time when there is room again, in their order', async () => {
    const { clock, batches, addMany, written, safe, fill } = setUp()
    fill(true)
    addMany(5_000)
    await clock.advance(5_000)
    expect([written.length, batches.isWaiting]).toEqual([0, true])
    fill(false)
    await clock.advance(1_000)
    expect(written.map(({ length }) => length)).toEqual([2_000, 2_000, 1_000])
    expect(safe).toEqual(Array.from({ length: 5_000 }, (_, row) => row))
    expect(batches.isWaiting).toBe(false)
  })

  it('are all written at once for whoever asks', async () => {
    const { batches, addMany, safe } = setUp()
    addMany(5_000)
    await batches.write()
    expect(safe).toHaveLength(5_000)
  })
})
