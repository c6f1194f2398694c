import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type LedgerAttempt, seededRandom } from '@signalbox/core'
import { type Served, costOf } from './billing-upstream.ts'
import { byCall, expectAllServedInLedger } from './expect-money.ts'
import { createPlace } from './money-storm.ts'

export interface KillsOptions {
  readonly kills: number
  /** How many processes are busy at one time. */
  readonly lanes: number
  readonly callers: number
  readonly seed: number
}

/** A process is killed when up to so many of its calls are safe in the ledger. */
const mostAcknowledged = 60

/** More than all calls of a test cost. */
const endlessUsd = 1_000_000

/** Kills busy processes over one ledger, each at a random moment, and expects of the ledger what it promises. */
export async function runKills({ kills, lanes, callers, seed }: KillsOptions) {
  const random = seededRandom(seed)
  const place = await createPlace(endlessUsd)
  let killed = 0

  async function killInTurn(): Promise<void> {
    for (; killed < kills;) {
      killed += 1
      const one = await place.start()
      const over = one.tell({ do: 'storm', callers, seed: Math.floor(random() * 2 ** 32), mixed: false })
      over.catch(() => {})
      const enough = Math.floor(random() * mostAcknowledged)
      while (one.acknowledged().length < enough) await sleep(5)
      await sleep(random() * 30)
      await one.kill()
    }
  }

  try {
    await (await place.start()).tell({ do: 'close' })
    await Promise.all(Array.from({ length: lanes }, killInTurn))
    await sleep(100)
    const { served } = place.upstream
    const attempts = await place.attempts()
    expect(await place.attempts()).toEqual(attempts)
    const { told, acknowledged } = expectAcknowledged(place.acknowledged(), attempts, served)
    expectAllServedInLedger(served, attempts)
    for (const rows of byCall(attempts).values()) expect(rows).toHaveLength(1)
    const lost = attempts.filter(({ outcome }) => outcome === 'lost')
    expect(lost.every(({ estimated }) => estimated)).toBe(true)
    return { calls: served.size, acknowledged, lost: lost.length, told }
  } finally {
    place.close()
  }
}

/** Every acknowledged call is there once, as the upstream counted it. */
function expectAcknowledged(
  callKeys: readonly string[],
  attempts: readonly LedgerAttempt[],
  served: ReadonlyMap<string, Served>,
) {
  expect(new Set(callKeys).size).toBe(callKeys.length)
  const wanted = new Set(callKeys)
  const rows = attempts.filter(({ callKey }) => wanted.has(callKey))
  expect(rows).toHaveLength(callKeys.length)
  expect(rows.filter(({ outcome, estimated }) => outcome !== 'ok' || estimated)).toEqual([])
  const inLedger = rows.reduce((sum, { costNanoUsd }) => sum + Number(costNanoUsd), 0)
  const atUpstream = rows.reduce((sum, { callId }) => sum + costOf(served.get(callId)!), 0)
  expect(inLedger).toBe(atUpstream)
  return { acknowledged: rows.length, told: `${inLedger} nano-USD in the ledger and at the upstream` }
}
