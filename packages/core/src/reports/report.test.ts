import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createMemoryLedger } from '../ledger/memory-ledger.ts'
import { createSqliteLedger } from '../ledger/sqlite-ledger.ts'
import { type Ledger, type LedgerAttempt, type LedgerCall, ledgerGroups } from '../ledger/types.ts'
import { costNanoUsd, priceOf } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { createRouter } from '../router.ts'

const dayMs = 86_400_000
const start = Date.UTC(2026, 9, 1)
const clock = createFakeClock({ wallTime: start + 20 * dayMs })
const prices = {
  input: 8_000_000,
  cachedInput: 2_000_000,
  cacheWrite: 10_000_000,
  output: 24_000_000,
  reasoning: 24_000_000,
}

const attempt = (over: Partial<LedgerAttempt> = {}): LedgerAttempt => ({
  callKey: 'c1',
  place: 0,
  callId: 'id',
  time: start,
  identity: { user: 'ada', tags: ['x', 'y'] },
  route: 'auto',
  model: 'dear',
  provider: 'openai',
  outcome: 'ok',
  latencyMs: 100,
  inputTokens: 10,
  cachedInputTokens: 4,
  cacheWriteTokens: 2,
  outputTokens: 5,
  reasoningTokens: 1,
  costNanoUsd: 252n,
  estimated: false,
  overrun: false,
  prices,
  ...over,
})

const call = (over: Partial<LedgerCall> = {}): LedgerCall => ({
  callKey: 'c1',
  callId: 'id',
  time: start,
  identity: { user: 'ada', tags: ['x', 'y'] },
  route: 'auto',
  model: 'dear',
  outcome: 'ok',
  durationMs: 150,
  failovers: 0,
  decision: {},
  ...over,
})

function sqlite(): Ledger {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'report-'))
  const ledger = createSqliteLedger({ file: path.join(folder, 'ledger.db'), clock })
  onTestFinished(async () => {
    await ledger.end()
    fs.rmSync(folder, { recursive: true })
  })
  return ledger
}

function filled(ledger: Ledger, attempts: readonly LedgerAttempt[], calls: readonly LedgerCall[] = []): Ledger {
  for (const one of attempts) ledger.post(one)
  for (const one of calls) ledger.close(one)
  return ledger
}

/** A call that failed at one model, was tried there again, and went to another; one without attempts; one of another user. */
const cheap = { model: 'cheap', costNanoUsd: 25n, latencyMs: 40 }
const attempts = [
  attempt({ outcome: 'upstream_error', costNanoUsd: 3n, inputTokens: 1, cachedInputTokens: 0, outputTokens: 0 }),
  attempt({ place: 1, outcome: 'upstream_error', latencyMs: 300, costNanoUsd: undefined }),
  attempt({ place: 2, ...cheap }),
  attempt({ callKey: 'c2', time: start + dayMs, identity: { user: 'bob' }, ...cheap }),
]
const calls = [
  call({ model: 'cheap' }),
  call({ callKey: 'c2', time: start + dayMs, identity: { user: 'bob' }, model: 'cheap', durationMs: 50 }),
  call({ callKey: 'c3', time: start + dayMs, identity: { user: 'bob' }, outcome: 'budget_exceeded', durationMs: 1 }),
]
const period = { from: start, to: start + 30 * dayMs }

describe.each([
  ['memory', () => createMemoryLedger({ clock })],
  ['SQLite', sqlite],
] as const)('a report from %s', (_name, make) => {
  it('by model counts attempts, and the calls that came to each', () => {
    const { rows, total, from, to, by } = filled(make(), attempts, calls).report(period)
    expect({ from, to, by }).toEqual({ from: '2026-10-01T00:00:00.000Z', to: '2026-10-31T00:00:00.000Z', by: 'model' })
    expect(rows).toMatchObject([
      { key: 'cheap', calls: 2, attempts: 2, successRate: 1, meanLatencyMs: 40, costUsd: '0.00000005' },
      { key: 'dear', calls: 1, attempts: 2, successRate: 0, meanLatencyMs: 200, p99LatencyMs: 300 },
    ])
    expect(total).toMatchObject({ calls: 2, attempts: 4, successRate: 0.5, lastUsed: '2026-10-02T00:00:00.000Z' })
  })

  it('of one model counts every call that came to it, first or later', () => {
    const { rows, total } = filled(make(), attempts, calls).report({ ...period, model: 'cheap' })
    expect([rows.map(({ calls: count }) => count), total.calls]).toEqual([[2], 2])
  })

  it('by user counts whole calls, also those without an attempt', () => {
    const { rows, total } = filled(make(), attempts, calls).report({ ...period, by: 'user' })
    expect(rows).toMatchObject([
      { key: 'ada', calls: 1, attempts: 3, successRate: 1, meanLatencyMs: 150 },
      { key: 'bob', calls: 2, attempts: 1, successRate: 0.5, meanLatencyMs: 25.5, p99LatencyMs: 50 },
    ])
    expect(total).toMatchObject({ calls: 3, attempts: 4 })
  })

  it('has the fields that are promised, and no other', () => {
    const report = filled(make(), attempts, calls).report(period)
    expect(Object.keys(report)).toEqual(['from', 'to', 'by', 'rows', 'total'])
    const fields =
      'key calls attempts unpricedAttempts inputTokens cachedInputTokens outputTokens reasoningTokens costUsd baselineUsd savingsUsd meanLatencyMs p99LatencyMs successRate lastUsed'
    for (const row of [...report.rows, report.total]) expect(Object.keys(row)).toEqual(fields.split(' '))
  })

  it('counts what nobody knows the price of where tokens were used, and puts it into no sum', () => {
    const nothing = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 }
    const many = [
      attempt(),
      attempt({ callKey: 'c2', costNanoUsd: undefined }),
      attempt({ callKey: 'c3', costNanoUsd: undefined, ...nothing }),
    ]
    for (const by of ['model', 'user'] as const) {
      const { rows, total } = filled(make(), many).report({ ...period, by })
      expect([...rows, total]).toMatchObject([
        { attempts: 3, unpricedAttempts: 1, costUsd: '0.000000252' },
        { unpricedAttempts: 1 },
      ])
    }
  })

  it('counts written tokens as input, reasoning as output, and cached input by itself', () => {
    const { total } = filled(make(), [attempt()]).report(period)
    expect(total).toMatchObject({ inputTokens: 12, cachedInputTokens: 4, outputTokens: 6, reasoningTokens: 1 })
  })

  it('counts an attempt under each of its tags, and once in all', () => {
    const ledger = filled(
      make(),
      [attempt(), attempt({ callKey: 'c2', identity: {} })],
      [call(), call({ callKey: 'c2', identity: {} })],
    )
    const { rows, total } = ledger.report({ ...period, by: 'tag' })
    expect(rows.map(({ key, calls: count, attempts: tried }) => [key, count, tried])).toEqual([
      ['', 1, 1],
      ['x', 1, 1],
      ['y', 1, 1],
    ])
    expect(total).toMatchObject({ calls: 2, attempts: 2, costUsd: '0.000000504' })
  })

  it('is of as many callers as there are', () => {
    const each = Array.from({ length: 130_000 }, (_, index) =>
      attempt({ callKey: `c${index}`, identity: { user: `user ${index}` } }),
    )
    const ledger = filled(make(), each)
    const { rows, total } = ledger.report({ ...period, by: 'user' })
    expect([rows.length, total.attempts]).toEqual([each.length, each.length])
    // In a moment: a row may not cost more the more there are.
    expect(ledger.totals('model', period)).toMatchObject([{ group: 'dear', calls: each.length }])
  }, 20_000)

  it('reaches to now where no period is named', () => {
    const ledger = filled(make(), [
      attempt({ time: clock.wallTime() }),
      attempt({ callKey: 'old', time: clock.wallTime() - 31 * dayMs }),
    ])
    expect(ledger.report().total.attempts).toBe(1)
    expect(filled(make(), []).report()).toMatchObject({ rows: [], total: { calls: 0, costUsd: '0', lastUsed: null } })
  })

  it('is exact above 2^53 nano-dollars', () => {
    const costs = [2n ** 53n + 1n, 2n ** 60n + 3n, 2n ** 53n + 1n]
    const ledger = filled(
      make(),
      costs.map((cost, index) => attempt({ callKey: `c${index}`, costNanoUsd: cost })),
    )
    expect(ledger.report(period).total.costUsd).toBe(usdOf(costs.reduce((sum, cost) => sum + cost, 0n)))
  })

  it('compares with what the same attempts would have cost at a baseline, each rounded up, its tiers included', () => {
    const baseline = {
      name: 'b',
      input: 1.0001,
      cachedInput: 0.1,
      output: 3,
      longCacheWrite: 2.5,
      tiers: [{ aboveInputTokens: 1_000, input: 2, output: 6 }],
    }
    const written = { cacheWriteTokens: 9, longCacheWriteTokens: 4 }
    const many = [
      attempt(),
      attempt({ callKey: 'c2', inputTokens: 5_000 }),
      attempt({ callKey: 'c3', costNanoUsd: undefined }),
      attempt({ callKey: 'c4', ...written }),
    ]
    const { total } = filled(make(), many).report({ ...period, baseline })
    const price = priceOf(baseline)
    const one = costNanoUsd(attempt(), price.base)
    const other = costNanoUsd({ ...attempt(), inputTokens: 5_000 }, price.tiers[0]!.prices)
    const third = costNanoUsd({ ...attempt(), ...written }, price.base)
    expect(third).not.toBe(costNanoUsd({ ...attempt(), ...written, longCacheWriteTokens: 0 }, price.base))
    expect(total.baselineUsd).toBe(usdOf(one + other + third))
    expect(total.savingsUsd).toBe(usdOf(one + other + third - 756))
  })

  it('compares with a model by its name, or else with the dearest that was used', () => {
    const other = {
      input: 1_000_000,
      cachedInput: 1_000_000,
      cacheWrite: 1_000_000,
      output: 1_000_000,
      reasoning: 1_000_000,
    }
    const ledger = filled(make(), [
      attempt({ costNanoUsd: 252n }),
      attempt({ callKey: 'c2', model: 'cheap', prices: other, costNanoUsd: 22n }),
    ])
    expect(ledger.report(period).total.baselineUsd).toBe('0.000504')
    expect(ledger.report({ ...period, baseline: 'cheap' }).total).toMatchObject({
      baselineUsd: '0.000044',
      savingsUsd: '0.000043726',
    })
    expect(() => ledger.report({ baseline: 'nobody-knows-it' })).toThrow(
      'No price is known for the baseline "nobody-knows-it"',
    )
  })

  it('adds up to the ledger to the nano-dollar, whatever it is by', () => {
    const name = fc.constantFrom('a', 'b', '=c', 'd "e"')
    const row = fc.record({
      user: name,
      key: name,
      model: name,
      route: name,
      tags: fc.uniqueArray(name),
      day: fc.nat(5),
      cost: fc.bigInt(0n, 2n ** 55n),
      tokens: fc.nat(10_000),
    })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), (found) => {
        const ledger = filled(
          make(),
          found.map(({ user, key, model, route, tags, day, cost, tokens }, index) =>
            attempt({
              callKey: `c${index}`,
              identity: { user, key, tags },
              model,
              route,
              time: start + day * dayMs,
              costNanoUsd: cost,
              inputTokens: tokens,
            }),
          ),
        )
        const spent = found.reduce((sum, { cost }) => sum + cost, 0n)
        for (const by of ledgerGroups) {
          const { rows, total } = ledger.report({ ...period, by, baseline: { name: 'x', input: 3, output: 7 } })
          const sum = (field: 'costUsd' | 'savingsUsd' | 'baselineUsd') =>
            rows.reduce((all, one) => all + nanoUsd(one[field]), 0n)
          expect(total.costUsd).toBe(usdOf(spent))
          expect(nanoUsd(total.costUsd) + nanoUsd(total.savingsUsd)).toBe(nanoUsd(total.baselineUsd))
          const each = by === 'tag' ? [] : (['costUsd', 'savingsUsd', 'baselineUsd'] as const)
          for (const field of each) expect(sum(field)).toBe(nanoUsd(total[field]))
        }
      }),
      { numRuns: 30 },
    )
  })
})

it.each(['highest-known', 'free'] as const)(
  'compares with no model by a guess: what is not configured has its listed price, or none (%s)',
  async (unknownPrice) => {
    const local = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1', apiKey: 'k' } as const
    const router = createRouter({
      models: { dear: { ...local, price: { input: 8, output: 24 } }, unknown: local },
      unknownPrice,
      ledger: 'memory',
      clock,
    })
    onTestFinished(() => router.close())
    const ledger = filled(router.ledger!, [attempt()])
    expect(ledger.report({ ...period, baseline: 'gpt-4.1' }).total.baselineUsd).toBe('0.000074')
    expect(() => ledger.report({ baseline: 'gpt-4.l' })).toThrow('No price is known for the baseline "gpt-4.l"')
  },
)

function nanoUsd(usd: string): bigint {
  const [whole = '0', fraction = ''] = usd.replace('-', '').split('.')
  const amount = BigInt(whole) * 10n ** 9n + BigInt(fraction.padEnd(9, '0'))
  return usd.startsWith('-') ? -amount : amount
}
