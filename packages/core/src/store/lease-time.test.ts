import { expect, it } from 'vitest'
import { leaseMsUntil } from './lease-time.ts'

it.each([
  ['20 s longer than the call', 180_000, 200_000],
  ['20 s where its time is up', -1, 20_000],
  ['an hour for a call without an end', Infinity, 3_600_000],
])('leases %s', (_what, leftMs, leaseMs) => {
  expect(leaseMsUntil(7_000 + leftMs, 7_000)).toBe(leaseMs)
})
