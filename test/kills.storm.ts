import { expect, it } from 'vitest'
import { runKills } from './support/kills.ts'

it('200 random kill -9s of a busy process lose and double nothing in the ledger', async () => {
  const { told, calls, acknowledged, lost } = await runKills({ kills: 200, lanes: 3, callers: 20, seed: 200 })
  console.log(`  ${calls} calls served, ${acknowledged} acknowledged, ${lost} found in flight; ${told}`)
  expect(acknowledged).toBeGreaterThan(1_000)
  expect(lost).toBeGreaterThan(1_000)
}, 400_000)
