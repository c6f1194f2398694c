import { expect } from 'vitest'
import type { LedgerAttempt } from '@signalbox/core'
import { type Served, costOf } from './billing-upstream.ts'
import type { MoneyStorm } from './money-storm.ts'

/** The attempts of each call, by the call's name. */
export function byCall(attempts: readonly LedgerAttempt[]): ReadonlyMap<string, readonly LedgerAttempt[]> {
  const calls = new Map<string, LedgerAttempt[]>()
  for (const attempt of attempts) {
    const rows = calls.get(attempt.callId) ?? []
    rows.push(attempt)
    calls.set(attempt.callId, rows)
  }
  return calls
}

/** Expects of each call that was served that the ledger has it, as it was where it was told and at no less where not. */
export function expectAllServedInLedger(served: ReadonlyMap<string, Served>, attempts: readonly LedgerAttempt[]): void {
  const calls = byCall(attempts)
  const wrong = [...served].flatMap(([call, one]) => {
    const rows = calls.get(call) ?? []
    const cost = rows.reduce((sum, { costNanoUsd }) => sum + Number(costNanoUsd), 0)
    const isRight = rows.some(({ estimated }) => estimated)
      ? cost >= costOf(one)
      : rows.length > 0 && cost === costOf(one)
    return isRight ? [] : [{ call, ...one, rows: rows.map(({ outcome, costNanoUsd }) => `${outcome} ${costNanoUsd}`) }]
  })
  expect(wrong).toEqual([])
}

/** Expects what has to hold of every storm. */
export function expectHonestMoney({ realCost, served, attempts, sampled, left }: MoneyStorm, limitUsd: number): void {
  const limit = limitUsd * 1e9
  expect(realCost).toBeLessThanOrEqual(limit)
  expect(sampled.most).toBeLessThanOrEqual(limit)
  expect(sampled.looked).toBeGreaterThan(50)
  for (const { settled, held } of left) {
    expect(held).toBe(0)
    expect(settled).toBeLessThanOrEqual(limit)
    expect(settled).toBeGreaterThanOrEqual(realCost)
    expect(settled).toBeGreaterThanOrEqual(0.95 * limit)
  }
  expectAllServedInLedger(served, attempts)
}
