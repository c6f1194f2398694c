import type { DatabaseSync } from 'node:sqlite'
import type { Gatherer, RawName } from '../reports/gather.ts'
import type { ReportSource } from '../reports/report.ts'
import { type SqlRow, attemptColumns, attemptOf } from './rows.ts'
import { RowSums } from './row-sums.ts'
import { where } from './sql.ts'
import type { LedgerGroup, LedgerQuery } from './types.ts'

const rawNames: Readonly<Record<LedgerGroup, string>> = {
  model: 'model',
  route: 'route',
  user: 'user',
  key: 'key',
  team: 'team',
  tag: 'tags',
  day: 'time / 86400000',
}

/** Calls that came to a model after another one: few, and so looked for by themselves. */
const laterCalls = (query: LedgerQuery) => {
  const { sql, values } = where(
    query,
    `place > 0 and not exists (select 1 from attempts as earlier
      where earlier.call_key = attempts.call_key and earlier.place < attempts.place and earlier.model = attempts.model)`,
  )
  return {
    sql: `select model as name, count(*) as calls from attempts indexed by attempts_by_time ${sql} group by 1`,
    values,
  }
}

const ok = "(outcome = 'ok')"

/** What is handed to the functions that count: see {@link RowSums}. A cost is split, since a number holds 53 bits of it. */
const attemptArguments = [
  `${ok} + 2 * (place = 0)`,
  'input, cached_input, cache_write, output, reasoning',
  'cost_nano_usd >> 32, cost_nano_usd & 4294967295',
  'latency_ms, time',
]
const callArguments = [ok, 'duration_ms, time']

/**
 * Makes reports from a ledger's database. To group, SQLite sorts whole rows; handing each to a function that counts takes
 * half of the time.
 */
export function sqliteReportSource(database: DatabaseSync): ReportSource {
  function countWith(name: string, step: (state: null, ...values: never[]) => null): void {
    database.aggregate(name, { start: null, step: step as () => null, result: () => null })
  }

  function count(table: string, call: string, query: LedgerQuery): void {
    const { sql, values } = where(query)
    const from = `${table} ${isMost(table, query) ? 'not indexed' : ''}`
    database.prepare(`select ${call} from ${from} ${sql}`).get(...values)
  }

  /** A period that is most of the ledger is read faster from its beginning to its end than by the index. */
  function isMost(table: string, { from, to }: LedgerQuery): boolean {
    const within = countOf(
      database,
      `select count(*) from ${table} where time >= ? and time < ?`,
      from ?? 0,
      to ?? Number.MAX_SAFE_INTEGER,
    )
    return within * 4 > countOf(database, `select count(*) from ${table}`)
  }

  function addLaterCalls(query: LedgerQuery, into: Gatherer): void {
    const { sql, values } = laterCalls(query)
    for (const { name, calls } of database.prepare(sql).all(...values) as SqlRow[])
      into.add(name as RawName, { calls: Number(calls) })
  }

  return {
    gather(by, query, into, baseline) {
      const sums = new RowSums(baseline, into.countsCalls)
      countWith('count_attempt', sums.attempt)
      countWith('count_call', sums.call)
      count('attempts', `count_attempt(${[rawNames[by], ...attemptArguments].join(', ')})`, query)
      if (into.countsCalls) count('calls', `count_call(${[rawNames[by], ...callArguments].join(', ')})`, query)
      for (const [name, found] of sums.all()) into.add(name, found)
      if (!into.countsCalls) addLaterCalls(query, into)
    },
    countCalls(query) {
      const { sql, values } = where(query, 'place = 0')
      return Number(database.prepare(`select count(*) as calls from attempts ${sql}`).get(...values)!['calls'])
    },
    recent() {
      const newest = database.prepare(`select ${attemptColumns} from attempts order by time desc limit 1000`)
      newest.setReadBigInts(true)
      return (newest.all() as SqlRow[]).map(attemptOf)
    },
  }
}

const countOf = (database: DatabaseSync, sql: string, ...values: readonly number[]) =>
  Number(Object.values(database.prepare(sql).get(...values)!)[0])
