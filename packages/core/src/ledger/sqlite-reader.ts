import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../clock.ts'
import { type KnownPrices, noKnownPrices } from '../reports/baseline.ts'
import { recommend } from '../reports/recommend.ts'
import { makeReport } from '../reports/report.ts'
import {
  type SqlRow,
  type SqlValue,
  attemptColumns,
  attemptOf,
  callColumns,
  callOf,
  ratedCallOf,
  spentColumns,
  spentOf,
} from './rows.ts'
import { totalOf, totalsSql, where } from './sql.ts'
import { sqliteReportSource } from './sqlite-report.ts'
import type { LedgerQuery, LedgerReader } from './types.ts'

/** Rows that are read at a time, so that a slow reader keeps no older version of the file alive. */
const pageRows = 1_000

/** What a reader may be given besides the database. */
export interface SqliteReaderOptions {
  readonly clock: Clock
  /** What reports compare with, besides what stands in the ledger. */
  readonly prices?: KnownPrices | undefined
  /** Writes what still waits to be written. */
  readonly beforeReading?: () => void
}

/** Reads a ledger's database. */
export function createSqliteReader(
  database: DatabaseSync,
  { clock, prices = noKnownPrices, beforeReading = () => undefined }: SqliteReaderOptions,
): LedgerReader {
  function* pages<T>({ table, columns, place, read }: Source<T>, query: LedgerQuery | undefined): IterableIterator<T> {
    beforeReading()
    const order = ['time', ...place]
    let last: SqlValue[] | undefined
    for (;;) {
      // The time says it twice: by it alone SQLite finds the page without reading those before.
      const from = last ? Number(last[0]) : query?.from
      const after = last && `(${order.join(', ')}) > (${order.map(() => '?').join(', ')})`
      const { sql, values } = where({ ...query, from }, after)
      const rows = database
        .prepare(`select ${columns} from ${table} ${sql} order by ${order.join(', ')} limit ${pageRows}`)
        .all(...values, ...(last ?? [])) as SqlRow[]
      for (const row of rows) yield read(row)
      const final = rows.at(-1)
      if (!final || rows.length < pageRows) return
      last = order.map((column) => final[column] as SqlValue)
    }
  }

  const reports = sqliteReportSource(database)
  const reader: LedgerReader = {
    attempts: (query) => pages(attempts, query),
    calls: (query) => pages(calls, query),
    ratings: (query) => pages(ratings, query),
    totals(by, query) {
      beforeReading()
      const { sql, values } = totalsSql(by, query)
      return database
        .prepare(sql)
        .all(...values)
        .map(totalOf)
    },
    report(query = {}) {
      beforeReading()
      return makeReport(reports, query, prices, clock.wallTime())
    },
    recommendations: (query) =>
      recommend(reader, query, {
        known: prices,
        nowMs: clock.wallTime(),
        spent: (within) => pages(spent, within),
      }),
  }
  return reader
}

interface Source<T> {
  readonly table: string
  readonly columns: string
  /** What names a row besides its time. */
  readonly place: readonly string[]
  read(row: SqlRow): T
}

const attempts = { table: 'attempts', columns: attemptColumns, place: ['call_key', 'place'], read: attemptOf }
const spent = { ...attempts, columns: spentColumns, read: spentOf }
/** Calls with the last that was said of each. */
const ratedCalls = `(
  select calls.*, said.score, said.time as rated_at from ratings as said join calls on calls.call_key = said.call_key
  where said.place = (select max(place) from ratings as any_said where any_said.call_key = said.call_key)
)`
const ratings = {
  table: ratedCalls,
  columns: `${callColumns}, score, rated_at`,
  place: ['call_key'],
  read: ratedCallOf,
}
const calls = { table: 'calls', columns: callColumns, place: ['call_key'], read: callOf }
