import { describe, expect, it } from 'vitest'
import { expectHonestMoney } from './support/expect-money.ts'
import { runKills } from './support/kills.ts'
import { createPlace, runMoneyStorm } from './support/money-storm.ts'

const free = { input: 0, output: 1 }

describe('processes that share a budget and a ledger', () => {
  it.each([13, 137])(
    'answer together exactly the %i calls that it pays for, whichever of them is asked',
    async (fitting) => {
      const place = await createPlace((fitting * 100 + 99) / 1e6, free)
      try {
        const processes = await Promise.all(Array.from({ length: 3 }, place.start))
        const answered = await Promise.all(
          processes.map((one) => one.tell<number>({ do: 'spend', callers: 50, tokens: 100 })),
        )
        expect(answered.reduce((sum, one) => sum + one, 0)).toBe(fitting)
        expect(place.upstream.served.size).toBe(fitting)
      } finally {
        place.close()
      }
    },
    60_000,
  )

  it('call back what each keeps free of it: all that is left pays for one more, whichever of them is asked', async () => {
    const left = 1_000 + 9
    const place = await createPlace((3 * 10 * 10 * 10 + left) / 1e6, free)
    try {
      const processes = await Promise.all(Array.from({ length: 3 }, place.start))
      const spend = async (order: { callers: number; tokens: number; callsEach: number }) => {
        const answered = await Promise.all(processes.map((one) => one.tell<number>({ do: 'spend', ...order })))
        return answered.reduce((sum, one) => sum + one, 0)
      }
      expect(await spend({ callers: 10, tokens: 10, callsEach: 10 })).toBe(300)
      expect(await spend({ callers: 20, tokens: 1_000, callsEach: 1 })).toBe(1)
    } finally {
      place.close()
    }
  }, 60_000)

  it('never overspend it, and use it up', async () => {
    const storm = await runMoneyStorm({ processes: 2, callers: 10, limitUsd: 0.04, kills: 0, seed: 2 })
    expectHonestMoney(storm, 0.04)
    expect(storm.killed).toBe(0)
  }, 60_000)

  it('lose and double nothing in the ledger when they are killed', async () => {
    const { acknowledged, lost } = await runKills({ kills: 4, lanes: 2, callers: 10, seed: 4 })
    expect(acknowledged).toBeGreaterThan(0)
    expect(lost).toBeGreaterThan(0)
  }, 60_000)
})
