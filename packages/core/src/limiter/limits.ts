import { randomUUID } from 'node:crypto'
import type { Entry, WhenDown } from '../store/store.ts'
import type { AdaptiveConcurrency } from './adaptive-concurrency.ts'

/** What a limit counts: calls in a minute, tokens in a minute, or calls under way. */
export type LimitKind = 'requests' | 'tokens' | 'concurrency'

/** One limit on whatever its group names. */
export interface Limit {
  /** What is limited, e.g. `model:gpt-4.1` or `user:u1`. Those that wait for one group wait in one queue. */
  group: string
  kind: LimitKind
  /** What it is counted under in the store. */
  key: string
  /** May move while calls are under way. */
  readonly limit: number
  /** Who shares the count. @default whoever shares the store */
  scope?: 'process'
  /** The sliding window; undefined for concurrency, which is held until it is settled. */
  windowMs: number | undefined
  /** What is done while the store cannot be reached. */
  whenDown: WhenDown
}

export interface LimitRates {
  /** Calls in any 60 seconds. @default unlimited */
  requestsPerMinute?: number | undefined
  /** Input and output tokens in any 60 seconds. @default unlimited */
  tokensPerMinute?: number | undefined
  /** Calls under way at once. @default unlimited */
  concurrency?: number | undefined
  /** What is done while a shared store cannot be reached. @default 'share' */
  whenStoreDown?: WhenDown | undefined
}

/** What one call takes from its limits. */
export interface Need {
  requests: number
  /** Estimated. */
  tokens: number
}

/** What limits per minute are counted over. */
export const minuteMs = 60_000

/**
 * The limits of one group, checked. Make them once and hand them to every acquire.
 *
 * @example
 * const limits = createLimits('model:gpt-4.1', { requestsPerMinute: 500, tokensPerMinute: 1_000_000 })
 */
export function createLimits(group: string, rates: LimitRates): readonly Limit[] {
  const limits: Limit[] = []
  const { whenStoreDown: whenDown = 'share' } = rates
  add('requests', 'requestsPerMinute', minuteMs)
  add('tokens', 'tokensPerMinute', minuteMs)
  add('concurrency', 'concurrency', undefined)
  return limits

  function add(kind: LimitKind, name: Exclude<keyof LimitRates, 'whenStoreDown'>, windowMs: number | undefined) {
    const limit = rates[name]
    if (limit === undefined) return
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new RangeError(`Expected ${name} of ${group} to be a whole number from 0, got ${limit}`)
    }
    limits.push({ group, kind, key: `${group}:${kind}`, limit, windowMs, whenDown })
  }
}

/** A limit on calls under way that is found out while they run. Nobody else counts under its key, also in a shared store. */
export function createAdaptiveLimit(group: string, adaptive: AdaptiveConcurrency): Limit {
  return {
    group,
    kind: 'concurrency',
    key: `${group}:concurrency:${randomUUID()}`,
    scope: 'process',
    windowMs: undefined,
    whenDown: 'share',
    get limit() {
      return adaptive.limit()
    },
  }
}

/** How much of a limit a call takes. */
function amountOf({ kind }: Limit, { requests, tokens }: Need): number {
  if (kind === 'requests') return requests
  return kind === 'tokens' ? tokens : 1
}

/** The first limit that a call asks more of than it will ever have. */
export function findTooSmall(limits: readonly Limit[], need: Need): Limit | undefined {
  for (const limit of limits) if (amountOf(limit, need) > limit.limit) return limit
  return undefined
}

/** What is reserved for a call. */
export function entriesOf(limits: readonly Limit[], need: Need): Entry[] {
  const entries: Entry[] = []
  for (const limit of limits) {
    const { key, windowMs, whenDown } = limit
    const onExpiry = limit.kind === 'concurrency' ? 'release' : 'post'
    entries.push({ key, limit: limit.limit, amount: amountOf(limit, need), windowMs, onExpiry, whenDown })
  }
  return entries
}

/** What is posted for a call that is over. */
export function postedFor(limits: readonly Limit[], used: Need): number[] {
  const amounts: number[] = []
  for (const limit of limits) amounts.push(limit.kind === 'concurrency' ? 0 : amountOf(limit, used))
  return amounts
}
