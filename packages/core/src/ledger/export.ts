import { csvLine } from '../csv.ts'
import { usdOf } from '../money/usd.ts'
import type { LedgerAttempt } from './types.ts'

/**
 * Attempts as CSV (RFC 4180), a line at a time and the names first. Text that a spreadsheet would run as a formula gets
 * an apostrophe in front.
 *
 * @example
 * await pipeline(Readable.from(exportCsv(ledger.attempts({ from, to }))), fs.createWriteStream('march.csv'))
 */
export function* exportCsv(attempts: Iterable<LedgerAttempt>): Generator<string, void, undefined> {
  yield csvLine(columns)
  for (const attempt of attempts) {
    const row = rowOf(attempt)
    yield csvLine(columns.map((column) => cellOf(row[column])))
  }
}

/** Attempts as JSON, one to a line. Amounts are exact decimals of US dollars in text; an unknown one is `null`. */
export function* exportJsonl(attempts: Iterable<LedgerAttempt>): Generator<string, void, undefined> {
  for (const attempt of attempts) yield `${JSON.stringify(rowOf(attempt))}\n`
}

const columns = [
  'time',
  'callKey',
  'place',
  'callId',
  'key',
  'user',
  'team',
  'tags',
  'route',
  'model',
  'provider',
  'outcome',
  'status',
  'latencyMs',
  'firstTokenMs',
  'inputTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'longCacheWriteTokens',
  'outputTokens',
  'reasoningTokens',
  'costUsd',
  'estimated',
  'overrun',
  'usageFaults',
  'unitPrices',
  'priceSource',
] as const

type Row = Readonly<Record<(typeof columns)[number], unknown>>

function rowOf({ identity, time, costNanoUsd, prices, usageFaults, ...attempt }: LedgerAttempt): Row {
  const { key = null, user = null, team = null, tags = [] } = identity
  const { status = null, firstTokenMs = null, priceSource = null, longCacheWriteTokens = 0, ...rest } = attempt
  return {
    ...rest,
    time: new Date(time).toISOString(),
    key,
    user,
    team,
    tags,
    status,
    firstTokenMs,
    longCacheWriteTokens,
    costUsd: costNanoUsd === undefined ? null : usdOf(costNanoUsd),
    usageFaults: usageFaults ?? [],
    unitPrices: prices ?? null,
    priceSource,
  }
}

/** Lists and objects stand in a cell as JSON; an empty list leaves it empty. */
function cellOf(value: unknown): string | number | boolean | null {
  if (Array.isArray(value) && value.length === 0) return ''
  return typeof value === 'object' && value !== null
    ? JSON.stringify(value)
    : (value as string | number | boolean | null)
}
