import type { LedgerAttempt, LedgerCall, LedgerGroup, LedgerQuery, LedgerTotal } from './types.ts'

/** Whether a call or attempt is one that a query asks for. */
export function matches(
  { callKey, callId, time, identity, route, model }: LedgerAttempt | LedgerCall,
  query: LedgerQuery = {},
): boolean {
  const { user, key, team, tags = [] } = identity
  if (query.from !== undefined && time < query.from) return false
  if (query.to !== undefined && time >= query.to) return false
  if (query.tag !== undefined && !tags.includes(query.tag)) return false
  const given = { callKey, callId, model, user, key, team, route }
  return Object.entries(given).every(
    ([name, value]) => query[name as keyof typeof given] === undefined || query[name as keyof typeof given] === value,
  )
}

/** The oldest first, as SQL would give them. */
export function inOrder<T extends LedgerAttempt | LedgerCall>(rows: readonly T[]): T[] {
  return rows.toSorted((a, b) => a.time - b.time || compare(a.callKey, b.callKey) || placeOf(a) - placeOf(b))
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const placeOf = (row: LedgerAttempt | LedgerCall) => ('place' in row ? row.place : 0)

/** Totals by a group, as SQL would give them: the dearest first. */
export function totalsOf(by: LedgerGroup, attempts: readonly LedgerAttempt[]): LedgerTotal[] {
  const groups = new Map<string, LedgerAttempt[]>()
  for (const attempt of attempts)
    for (const group of groupsOf(by, attempt)) {
      const members = groups.get(group)
      if (members) members.push(attempt)
      else groups.set(group, [attempt])
    }
  const totals = [...groups].map(([group, members]) => totalOf(group, members))
  return totals.toSorted((a, b) =>
    a.costNanoUsd === b.costNanoUsd ? compare(a.group, b.group) : a.costNanoUsd > b.costNanoUsd ? -1 : 1,
  )
}

function groupsOf(by: LedgerGroup, { identity, model, route, time }: LedgerAttempt): readonly string[] {
  if (by === 'tag') return identity.tags && identity.tags.length > 0 ? [...new Set(identity.tags)] : ['']
  if (by === 'day') return [new Date(time).toISOString().slice(0, 10)]
  return [{ model, route, user: identity.user, key: identity.key, team: identity.team }[by] ?? '']
}

function totalOf(group: string, attempts: readonly LedgerAttempt[]): LedgerTotal {
  const sum = (value: (attempt: LedgerAttempt) => number | bigint) =>
    attempts.reduce((total, attempt) => total + BigInt(value(attempt)), 0n)
  const count = (test: (attempt: LedgerAttempt) => boolean) => attempts.filter(test).length
  return {
    group,
    calls: new Set(attempts.map(({ callKey }) => callKey)).size,
    attempts: attempts.length,
    inputTokens: sum(({ inputTokens }) => inputTokens),
    cachedInputTokens: sum(({ cachedInputTokens }) => cachedInputTokens),
    cacheWriteTokens: sum(({ cacheWriteTokens }) => cacheWriteTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    reasoningTokens: sum(({ reasoningTokens }) => reasoningTokens),
    costNanoUsd: sum(({ costNanoUsd }) => costNanoUsd ?? 0n),
    unpricedAttempts: count(isUnpriced),
    estimatedAttempts: count(({ estimated }) => estimated),
    failedAttempts: count(({ outcome }) => outcome !== 'ok'),
  }
}

/** Whether it used tokens at a price that nobody knows. */
export const isUnpriced = (attempt: LedgerAttempt) => attempt.costNanoUsd === undefined && tokensOf(attempt) > 0

const tokensOf = ({ inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens }: LedgerAttempt) =>
  inputTokens + cachedInputTokens + cacheWriteTokens + outputTokens + reasoningTokens
