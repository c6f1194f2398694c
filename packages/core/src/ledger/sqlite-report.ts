import type { DatabaseSync } from 'node:sqlite'
import type { Gatherer, RawName } from '../reports/gather.ts'
import type { ReportSource } from '../reports/report.ts'
import { type SqlRow, attemptColumns, attemptOf, costValue } from './rows.ts'
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

/** What is handed to the functions that count: see {@link RowSums}. A cost of more than a number holds is text. */
const attemptArguments = [
  `${ok} + 2 * (place = 0)`,
  'input, cached_input, cache_write, output, reasoning, ifnull(long_cache_write, 0)',
  costValue,
  'latency_ms, time',
]
const callArguments = [ok, 'duration_ms, time']

/** A period is read in so many slices: Node holds all that a query hands to a function until the query ends. */
const slices = 64

/**
 * Makes reports from a ledger's database. To group, SQLite sorts whole rows; handing each to a function that counts takes
 * half of the time. All that is read stands in the indexes by time.
 */
export function sqliteReportSource(database: DatabaseSync): ReportSource {
  function countWith(name: string, step: (state: null, ...values: never[]) => null): void {
    database.aggregate(name, { start: null, step: step as () => null, result: () => null })
  }

  function count(table: string, call: string, query: LedgerQuery): void {
    const conditions = [...slicesOf(table, query)].map((slice) => where({ ...query, ...slice }))
    if (!conditions[0]) return
    const statement = database.prepare(`select ${call} from ${table} ${conditions[0].sql}`)
    for (const { values } of conditions) statement.get(...values)
  }

  function* slicesOf(table: string, { from = 0, to = Infinity }: LedgerQuery) {
    const ends = database.prepare(
      `select (select min(time) from ${table}) as first, (select max(time) from ${table}) as last`,
    )
    const { first, last } = ends.get()!
    if (first === null) return
    const end = Math.min(to, Number(last) + 1)
    const begin = Math.max(from, Number(first))
    const lengthMs = Math.ceil((end - begin) / slices)
    for (let at = begin; at < end; at += lengthMs) yield { from: at, to: Math.min(at + lengthMs, end) }
  }

  function addLaterCalls(query: LedgerQuery, into: Gatherer): void {
    const { sql, values } = laterCalls(query)
    for (const { name, calls } of database.prepare(sql).all(...values) as SqlRow[])
      into.addLaterCalls(name as RawName, Number(calls))
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
    recent() {
      const newest = database.prepare(`select ${attemptColumns} from attempts order by time desc limit 1000`)
      newest.setReadBigInts(true)
      return (newest.all() as SqlRow[]).map(attemptOf)
    },
  }
}
