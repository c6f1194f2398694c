import { expect, it, vi } from 'vitest'
import { chain, simulateUptime } from './uptime-simulation.ts'

vi.setConfig({ testTimeout: 60_000 })

const options = { calls: 10_000, days: 14, seed: 3 }

it('answers 99.99 % of calls with a chain of models that are up 99.2 to 99.8 % of the time', async () => {
  const alone = await simulateUptime('gpt-4.1', { ...options, calls: 3_000 })
  const together = await simulateUptime(chain, options)
  expect(alone.success).toBeGreaterThan(0.99)
  expect(alone.success).toBeLessThan(0.998)
  expect(together.success).toBeGreaterThanOrEqual(0.9999)
  expect(together.failovers).toBeGreaterThan(20)
  expect(together.trips).toBeGreaterThan(0)
  expect(together.attempts).toBeLessThan(1.05 * options.calls)
})

it('has a call fail in every model of the chain before it fails the call', async () => {
  const allDown = { ...options, calls: 1_000, sharedOutage: 0.5 }
  const { success, failures } = await simulateUptime(chain, allDown)
  expect(success).toBeGreaterThan(0.45)
  expect(success).toBeLessThan(0.55)
  expect(Object.keys(failures).length).toBeGreaterThan(0)
})
