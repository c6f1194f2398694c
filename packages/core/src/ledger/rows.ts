import type { UnitPrices } from '../money/price.ts'
import type { UsageFault } from '../types.ts'
import type { LedgerAttempt, LedgerCall, LedgerIdentity, RatedCall, SpentAttempt } from './types.ts'

/** A value as SQLite takes it. */
export type SqlValue = string | number | bigint | null

/** A row as SQLite gives it. */
export type SqlRow = Readonly<Record<string, unknown>>

export const attemptColumns =
  'call_key, place, call_id, time, key, user, team, tags, route, model, provider, outcome, status, latency_ms, first_token_ms, input, cached_input, cache_write, output, reasoning, cost_nano_usd, estimated, overrun, prices, price_source, usage_faults, fingerprint, long_cache_write'
/** A cost that needs no big integer to be read: text where a number could not hold it. */
export const costValue = `iif(cost_nano_usd > ${2 ** 52}, cast(cost_nano_usd as text), cost_nano_usd)`

/** What replaying reads of an attempt: no more than stands in the index by time. */
export const spentColumns =
  'call_key, place, time, model, outcome, latency_ms, input, cached_input, cache_write, output, reasoning, long_cache_write, fingerprint, ' +
  `${costValue} as cost_nano_usd`
export const callColumns =
  'call_key, call_id, parent, time, key, user, team, tags, route, model, outcome, duration_ms, failovers, decision'

const identityValues = ({ key, user, team, tags = [] }: LedgerIdentity): SqlValue[] => [
  key ?? null,
  user ?? null,
  team ?? null,
  tags.length === 0 ? '[]' : JSON.stringify([...new Set(tags)]),
]

const writtenPrices = new WeakMap<UnitPrices, string>()

/** The JSON of unit prices. They are the same object for all attempts until the price changes. */
function jsonOfPrices(prices: UnitPrices): string {
  let json = writtenPrices.get(prices)
  if (json === undefined) writtenPrices.set(prices, (json = JSON.stringify(prices)))
  return json
}

export function attemptValues(attempt: LedgerAttempt): SqlValue[] {
  const { callKey, place, callId, time, identity, route, model, provider, outcome } = attempt
  return [
    callKey,
    place,
    callId,
    Math.round(time),
    ...identityValues(identity),
    route,
    model,
    provider,
    outcome,
    attempt.status ?? null,
    attempt.latencyMs,
    attempt.firstTokenMs ?? null,
    attempt.inputTokens,
    attempt.cachedInputTokens,
    attempt.cacheWriteTokens,
    attempt.outputTokens,
    attempt.reasoningTokens,
    attempt.costNanoUsd ?? null,
    Number(attempt.estimated),
    Number(attempt.overrun),
    attempt.prices ? jsonOfPrices(attempt.prices) : null,
    attempt.priceSource ?? null,
    attempt.usageFaults ? JSON.stringify(attempt.usageFaults) : null,
    attempt.fingerprint ?? null,
    attempt.longCacheWriteTokens ?? null,
  ]
}

export function callValues(call: LedgerCall): SqlValue[] {
  const { callKey, callId, parent, time, identity, route, model, outcome, durationMs, failovers, decision } = call
  return [
    callKey,
    callId,
    parent ?? null,
    Math.round(time),
    ...identityValues(identity),
    route,
    model ?? null,
    outcome,
    durationMs,
    failovers,
    textOf(decision),
  ]
}

/** A decision may hold what a strategy of the user's gave, and that is not always JSON. */
function textOf(decision: object): string {
  try {
    return JSON.stringify(decision)
  } catch (error) {
    return JSON.stringify({ unwritable: error instanceof Error ? error.message : String(error) })
  }
}

export function attemptOf(row: SqlRow): LedgerAttempt {
  return {
    ...spentOf(row),
    callId: String(row['call_id']),
    identity: identityOf(row),
    route: String(row['route']),
    provider: String(row['provider']),
    status: optionalNumber(row['status']),
    firstTokenMs: optionalNumber(row['first_token_ms']),
    estimated: Boolean(Number(row['estimated'])),
    overrun: Boolean(Number(row['overrun'])),
    prices: row['prices'] === null ? undefined : (JSON.parse(row['prices'] as string) as UnitPrices),
    priceSource: optionalText(row['price_source']),
    usageFaults: row['usage_faults'] === null ? undefined : (JSON.parse(row['usage_faults'] as string) as UsageFault[]),
  }
}

export function spentOf(row: SqlRow): SpentAttempt {
  return {
    callKey: String(row['call_key']),
    place: Number(row['place']),
    time: Number(row['time']),
    model: String(row['model']),
    outcome: String(row['outcome']),
    latencyMs: Number(row['latency_ms']),
    inputTokens: Number(row['input']),
    cachedInputTokens: Number(row['cached_input']),
    cacheWriteTokens: Number(row['cache_write']),
    outputTokens: Number(row['output']),
    reasoningTokens: Number(row['reasoning']),
    longCacheWriteTokens: optionalNumber(row['long_cache_write']),
    costNanoUsd: row['cost_nano_usd'] === null ? undefined : BigInt(row['cost_nano_usd'] as bigint | number | string),
    fingerprint: optionalText(row['fingerprint']),
  }
}

export function callOf(row: SqlRow): LedgerCall {
  return {
    callKey: String(row['call_key']),
    callId: String(row['call_id']),
    parent: optionalText(row['parent']),
    time: Number(row['time']),
    identity: identityOf(row),
    route: String(row['route']),
    model: optionalText(row['model']),
    outcome: String(row['outcome']),
    durationMs: Number(row['duration_ms']),
    failovers: Number(row['failovers']),
    decision: JSON.parse(String(row['decision'])) as object,
  }
}

export function ratedCallOf(row: SqlRow): RatedCall {
  return { ...callOf(row), score: Number(row['score']), ratedAt: Number(row['rated_at']) }
}

function identityOf(row: SqlRow): LedgerIdentity {
  return {
    key: optionalText(row['key']),
    user: optionalText(row['user']),
    team: optionalText(row['team']),
    tags: JSON.parse(String(row['tags'])) as string[],
  }
}

const optionalNumber = (value: unknown) => (value === null || value === undefined ? undefined : Number(value))
const optionalText = (value: unknown) => (value === null || value === undefined ? undefined : (value as string))
