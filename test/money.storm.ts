import { describe, expect, it } from 'vitest'
import { expectHonestMoney } from './support/expect-money.ts'
import { runMoneyStorm } from './support/money-storm.ts'

describe('a budget that processes share through a SQLite store', () => {
  it.each([
    { processes: 1, limitUsd: 0.6, kills: 3 },
    { processes: 4, limitUsd: 0.8, kills: 6 },
    { processes: 16, limitUsd: 1.5, kills: 8 },
  ])(
    'is never overspent by $processes x 50 concurrent calls, with aborts, faults and kill -9, and used up',
    async ({ processes, limitUsd, kills }) => {
      const storm = await runMoneyStorm({ processes, callers: 50, limitUsd, kills, seed: processes })
      const { realCost, sampled, left, killed, attempts } = storm
      const share = (nanoUsd: number) => `${((nanoUsd / limitUsd / 1e9) * 100).toFixed(2)} %`
      const seen = `really ${share(realCost)}, settled ${left.map(({ settled }) => share(settled)).join(' and ')}`
      console.log(`  ${processes}: ${seen}, at most ${share(sampled.most)} in ${sampled.looked} looks,`)
      console.log(`      ${attempts.length} attempts, ${killed} killed`)
      expectHonestMoney(storm, limitUsd)
      // One may be done before it is killed.
      expect(killed).toBeGreaterThanOrEqual(kills / 2)
    },
    180_000,
  )
})
