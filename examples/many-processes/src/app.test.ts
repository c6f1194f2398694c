import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { limitUsd } from './router.ts'

/** What one call may cost at the most: 108 bytes of input and 50 tokens of output, rounded up. */
const boundUsd = 0.000_13

it('spends one budget from three processes, no more and no less', { timeout: 60_000 }, async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@signalbox/source', main])

  const ofProcesses = [...stdout.matchAll(/^process \d+: (\d+) calls answered, (\d+) refused$/gm)]
  const sum = (group: number) => ofProcesses.reduce((total, match) => total + Number(match[group]), 0)
  const [, spent, limit, held] = /^the budget: ([\d.]+) USD spent of ([\d.]+), (\S+) held$/m.exec(stdout)!
  const [, cost, calls] = /^the ledger: ([\d.]+) USD for (\d+) calls$/m.exec(stdout)!
  expect(ofProcesses).toHaveLength(3)
  expect(sum(2)).toBe(20)
  expect(Number(limit)).toBe(limitUsd)
  expect(Number(spent)).toBeLessThanOrEqual(limitUsd)
  expect(Number(spent)).toBeGreaterThan(limitUsd - boundUsd)
  expect(held).toBe('0')
  expect({ cost, calls: Number(calls) }).toEqual({ cost: spent, calls: sum(1) })
})
