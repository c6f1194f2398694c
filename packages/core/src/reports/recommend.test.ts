import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createMemoryLedger } from '../ledger/memory-ledger.ts'
import { createSqliteLedger } from '../ledger/sqlite-ledger.ts'
import type { Ledger } from '../ledger/types.ts'
import { costNanoUsd, priceOf } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import type { Usage } from '../types.ts'
import { replay } from './replay.ts'

const clock = createFakeClock({ wallTime: Date.UTC(2026, 9, 20) })
const prices = {
  dear: priceOf({ input: 15, output: 75 }),
  cheap: priceOf({ input: 0.42, output: 2.1, longCacheWrite: 0.84 }),
}
const known = { names: Object.keys(prices), priceOf: (name: string) => prices[name as keyof typeof prices] }

interface Rows {
  readonly model: keyof typeof prices
  readonly count: number
  readonly tokens?: number
  /** Written to the provider's cache for an hour. */
  readonly written?: number
  readonly outcome?: string
}

/** A ledger of so many attempts at each model. */
function ledgerOf(rows: readonly Rows[], ledger: Ledger = createMemoryLedger({ clock, prices: known })) {
  let calls = 0
  for (const { model, count, tokens = 800, written = 0, outcome = 'ok' } of rows) {
    for (let index = 0; index < count; index++) {
      const usage: Usage = {
        inputTokens: tokens,
        cachedInputTokens: 0,
        cacheWriteTokens: written,
        outputTokens: 100,
        reasoningTokens: 0,
        longCacheWriteTokens: written,
      }
      ledger.post({
        callKey: `c${++calls}`,
        place: 0,
        callId: 'id',
        time: clock.wallTime() - 1_000,
        identity: {},
        route: 'auto',
        model,
        provider: 'p',
        outcome,
        latencyMs: 1,
        ...usage,
        costNanoUsd: BigInt(costNanoUsd(usage, prices[model].base)),
        estimated: false,
        overrun: false,
        prices: prices[model].base,
      })
    }
  }
  return ledger
}

describe('recommendations', () => {
  const ledger = ledgerOf([
    { model: 'dear', count: 40 },
    { model: 'dear', count: 20, tokens: 5_000 },
    { model: 'dear', count: 1, outcome: 'stream_interrupted' },
    { model: 'cheap', count: 5 },
  ])

  it('find an expensive model, a cheap one that is little used, failures that were billed, and a high mean cost', () => {
    expect(
      ledger
        .recommendations()
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(['cheap_model_underused', 'costly_failures', 'expensive_model', 'high_mean_cost'])
  })

  it('save what replaying the ledger with that change gives, and what it would have cost by hand', () => {
    for (const { change, savingsUsd, attempts } of ledger.recommendations()) {
      const [replayed] = replay(ledger.attempts(), [change], known.priceOf)
      expect({ savingsUsd, attempts }).toEqual({
        savingsUsd: usdOf(replayed!.savedNanoUsd),
        attempts: replayed!.attempts,
      })
    }
    const short = ledger.recommendations().find(({ kind }) => kind === 'cheap_model_underused')!
    expect(short).toMatchObject({ attempts: 41, savingsUsd: usdOf(41n * (19_500_000n - 546_000n)) })
    const failed = ledger.recommendations().find(({ kind }) => kind === 'costly_failures')!
    expect(failed).toMatchObject({ attempts: 1, savingsUsd: usdOf(19_500_000n) })
  })

  it('put the most saving first, and say what they cannot know', () => {
    const found = ledger.recommendations()
    expect(found.map(({ savingsUsd }) => Number(savingsUsd))).toEqual(
      found.map(({ savingsUsd }) => Number(savingsUsd)).toSorted((a, b) => b - a),
    )
    for (const { unknown } of found) expect(unknown).toMatch(/^whether /)
  })

  it('replay what was written to a cache for an hour at its price, from SQLite as from memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'recommend-'))
    const inFile = createSqliteLedger({ file: join(folder, 'ledger.db'), clock, prices: known })
    onTestFinished(async () => {
      await inFile.end()
      rmSync(folder, { recursive: true })
    })
    const rows = [
      { model: 'dear', count: 20, tokens: 300, written: 500 },
      { model: 'cheap', count: 2 },
    ] as const
    const found = ledgerOf(rows, inFile).recommendations()
    expect(found).toEqual(ledgerOf(rows).recommendations())
    const moved = found.find(({ kind }) => kind === 'cheap_model_underused')!
    expect(moved.savingsUsd).toBe(usdOf(20n * (19_500_000n - (126_000n + 420_000n + 210_000n))))
  })

  it('are none where nothing would have cost less', () => {
    expect(ledgerOf([{ model: 'cheap', count: 50 }]).recommendations()).toEqual([])
    expect(ledgerOf([]).recommendations()).toEqual([])
  })
})
