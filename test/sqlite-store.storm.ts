import { expect, it } from 'vitest'
import { stormWindowMs } from './support/store-orders.ts'
import { mostInWindow, runStorm } from './support/store-storm.ts'

it('never spends more than a limit while processes are killed, and nearly all of it', async () => {
  const limits = { money: 2_000_000, requests: 3_000, concurrency: 120 }
  const { calls, sampled, left } = await runStorm({ processes: 4, callers: 50, limits, kills: 3, seed: 1 })
  const cost = sum(calls.map((call) => call.cost))
  const [money, requests, concurrency] = sampled.most as [number, number, number]

  expect(money).toBeLessThanOrEqual(limits.money)
  expect(requests).toBeLessThanOrEqual(limits.requests)
  expect(concurrency).toBeLessThanOrEqual(limits.concurrency)
  expect(mostInWindow(calls, stormWindowMs)).toBeLessThanOrEqual(limits.requests)
  expect(left.map(({ held }) => held)).toEqual([0, 0, 0])
  expect(left[0]!.posted).toBeGreaterThanOrEqual(cost)
  expect(left[0]!.posted).toBeGreaterThanOrEqual(0.95 * limits.money)
  expect(left[0]!.posted).toBeLessThanOrEqual(limits.money)
}, 60_000)

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
