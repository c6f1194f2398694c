import type { SqlRow, SqlValue } from './rows.ts'
import type { CallQuery, LedgerGroup, LedgerQuery, LedgerTotal } from './types.ts'

/** A piece of SQL and the values in it. Nothing of a query is ever written into the text. */
export interface Sql {
  readonly sql: string
  readonly values: SqlValue[]
}

type Condition = Exclude<keyof CallQuery, 'newest'>

const conditions: Readonly<Record<Condition, string>> = {
  from: 'time >= ?',
  to: 'time < ?',
  model: 'model = ?',
  user: 'user = ?',
  key: 'key = ?',
  team: 'team = ?',
  route: 'route = ?',
  callKey: 'call_key = ?',
  minimumFailovers: 'failovers >= ?',
  endedFrom: 'time + duration_ms >= ?',
  callId: 'call_id = ?',
  tag: 'exists (select 1 from json_each(tags) as tag where tag.value = ?)',
}

/** The condition of a query, and one besides it whose values stand last. */
export function where(query: CallQuery = {}, besides?: string): Sql {
  const given = (Object.keys(conditions) as Condition[]).filter((name) => query[name] !== undefined)
  const all = [...given.map((name) => conditions[name]), ...(besides === undefined ? [] : [besides])]
  return { sql: all.length === 0 ? '' : `where ${all.join(' and ')}`, values: given.map((name) => query[name]!) }
}

const groups: Readonly<Record<LedgerGroup, { readonly name: string; readonly from: string }>> = {
  model: { name: 'model', from: 'attempts' },
  route: { name: 'route', from: 'attempts' },
  user: { name: 'user', from: 'attempts' },
  key: { name: 'key', from: 'attempts' },
  team: { name: 'team', from: 'attempts' },
  day: { name: "date(time / 1000, 'unixepoch')", from: 'attempts' },
  tag: {
    name: 'tagged',
    from: '(select attempts.*, tag.value as tagged from attempts left join json_each(attempts.tags) as tag)',
  },
}

/** The totals of a query by a group. An attempt with many tags counts under each of them. */
export function totalsSql(by: LedgerGroup, query?: LedgerQuery): Sql {
  const { sql, values } = where(query)
  const { name, from } = groups[by]
  const used = 'input + cached_input + cache_write + output + reasoning > 0'
  const columns = [
    `coalesce(${name}, '') as name`,
    'count(distinct call_key) as calls',
    'count(*) as attempts',
    ...['input', 'cached_input', 'cache_write', 'output', 'reasoning'].map(sum),
    'coalesce(sum(cost_nano_usd), 0) as cost',
    count(`cost_nano_usd is null and ${used}`, 'unpriced'),
    count('estimated = 1', 'estimates'),
    count("outcome <> 'ok'", 'failed'),
  ]
  return { sql: `select ${columns.join(', ')} from ${from} ${sql} group by 1 order by cost desc, name`, values }
}

const sum = (column: string) => `sum(${column}) as ${column}`
const count = (condition: string, as: string) => `count(*) filter (where ${condition}) as ${as}`

/** A row of totals, read. */
export function totalOf(row: SqlRow): LedgerTotal {
  const big = (name: string) => row[name] as bigint
  return {
    group: String(row['name']),
    calls: Number(row['calls']),
    attempts: Number(row['attempts']),
    inputTokens: big('input'),
    cachedInputTokens: big('cached_input'),
    cacheWriteTokens: big('cache_write'),
    outputTokens: big('output'),
    reasoningTokens: big('reasoning'),
    costNanoUsd: big('cost'),
    unpricedAttempts: Number(row['unpriced']),
    estimatedAttempts: Number(row['estimates']),
    failedAttempts: Number(row['failed']),
  }
}
