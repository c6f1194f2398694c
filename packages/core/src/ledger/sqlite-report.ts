import type { DatabaseSync } from 'node:sqlite'
import { type Price, type UnitPrices, freePrices } from '../money/price.ts'
import type { Gatherer, RawName, Sums } from '../reports/gather.ts'
import { Latencies } from '../reports/latencies.ts'
import type { ReportSource } from '../reports/report.ts'
import { type SqlRow, attemptColumns, attemptOf } from './rows.ts'
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

/** What is counted of attempts at models, and of calls. */
const uses = `count(*) as uses, sum(outcome = 'ok') as successes, max(time) as lastTime`
/** Calls that came to a model after another one: few, and so looked for by themselves. */
const laterCalls = (query: LedgerQuery) => {
  const { sql, values } = where(
    query,
    `place > 0 and not exists (select 1 from attempts as earlier
      where earlier.call_key = attempts.call_key and earlier.place < attempts.place and earlier.model = attempts.model)`,
  )
  return { sql: `select model as name, count(*) as calls from attempts ${sql} group by 1`, values }
}

/** Makes reports from a ledger's database. */
export function sqliteReportSource(database: DatabaseSync): ReportSource {
  const latencies = new Map<RawName, Latencies>()
  database.function('note_latency', (name, ms) => {
    const noted = latencies.get(name as RawName) ?? new Latencies()
    latencies.set(name as RawName, noted)
    noted.add(ms as number)
    return 0
  })

  function sums(table: string, name: string, columns: readonly string[], query: LedgerQuery): [RawName, Sums][] {
    latencies.clear()
    const { sql, values } = where(query)
    const from = `${table} ${isMost(table, query) ? 'not indexed' : ''}`
    const found = database.prepare(`select ${name} as name, ${columns.join(', ')} from ${from} ${sql} group by 1`)
    found.setReadBigInts(true)
    return (found.all(...values) as SqlRow[]).map((row) => {
      const raw = plain(row['name']) as RawName
      const noted = latencies.get(raw)
      return [raw, { ...sumsOf(row), ...(noted && { latencies: noted }) }]
    })
  }

  /** A period that is most of the ledger is read faster from its beginning to its end than by the index. */
  function isMost(table: string, { from, to }: LedgerQuery): boolean {
    const within = countOf(
      database,
      `select count(*) from ${table} where time >= ? and time < ?`,
      from ?? 0,
      to ?? 2 ** 53,
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
      const name = rawNames[by]
      const went = [uses, 'sum(place = 0) as calls', noting(name, 'latency_ms')]
      const columns = [...spentColumns(baseline), ...(into.countsCalls ? [] : went)]
      for (const [raw, found] of sums('attempts', name, columns, query)) into.add(raw, found)
      if (!into.countsCalls) return addLaterCalls(query, into)
      const calls = [uses, 'count(*) as calls', noting(name, 'duration_ms')]
      for (const [raw, found] of sums('calls', name, calls, query)) into.add(raw, found)
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

const noting = (name: string, column: string) =>
  `sum(${column}) as latencySumMs, sum(note_latency(${name}, ${column})) as noted`

const countOf = (database: DatabaseSync, sql: string, ...values: readonly number[]) =>
  Number(Object.values(database.prepare(sql).get(...values)!)[0])

const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)

/** Money stays a big integer; all else is counted in numbers. */
function sumsOf({ name: _name, noted: _noted, costNanoUsd, baselineNanoUsd, ...rest }: SqlRow): Sums {
  const numbers = Object.entries(rest).map(([key, value]) => [key, plain(value)])
  const money = costNanoUsd !== undefined && { costNanoUsd, baselineNanoUsd }
  return { ...(Object.fromEntries(numbers) as Sums), ...(money as Sums) }
}

const spentColumns = (baseline: Price | undefined) => [
  'count(*) as attempts',
  'sum(input + cache_write) as inputTokens',
  'sum(cached_input) as cachedInputTokens',
  'sum(output + reasoning) as outputTokens',
  'sum(reasoning) as reasoningTokens',
  'coalesce(sum(cost_nano_usd), 0) as costNanoUsd',
  `coalesce(sum(iif(cost_nano_usd is null, 0, ${costSql(baseline)})), 0) as baselineNanoUsd`,
]

/** What an attempt's tokens cost at a price, in nano-USD, rounded up: integers only. */
function costSql(price: Price | undefined): string {
  const { base, tiers } = price ?? { base: freePrices, tiers: [] }
  return tiers.reduce(
    (below, { aboveInputTokens, prices }) =>
      `iif(input + cached_input + cache_write > ${aboveInputTokens}, ${atPrices(prices)}, ${below})`,
    atPrices(base),
  )
}

const atPrices = ({ input, cachedInput, cacheWrite, output, reasoning }: UnitPrices) =>
  `(input * ${input} + cached_input * ${cachedInput} + cache_write * ${cacheWrite} + output * ${output} + reasoning * ${reasoning} + 999) / 1000`
