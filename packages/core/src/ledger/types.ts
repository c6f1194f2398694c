import type { UnitPrices } from '../money/price.ts'
import type { Recommendation } from '../reports/recommend.ts'
import type { Report, ReportQuery } from '../reports/types.ts'
import type { UsageFault } from '../types.ts'

/** Who is charged. */
export interface LedgerIdentity {
  readonly key?: string | undefined
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly tags?: readonly string[] | undefined
}

/** What names an attempt: the call, and the attempt's place in it from 0. */
export interface AttemptKey {
  readonly callKey: string
  readonly place: number
}

/** One attempt that ended: what it used and cost. A row that is written is never changed. */
export interface LedgerAttempt extends AttemptKey {
  readonly callId: string
  /** When it began, in milliseconds since the Unix epoch. */
  readonly time: number
  readonly identity: LedgerIdentity
  readonly route: string
  readonly model: string
  readonly provider: string
  /** `ok`, or the code it failed with; `lost` where the process died in the middle. */
  readonly outcome: string
  readonly status?: number | undefined
  readonly latencyMs: number
  readonly firstTokenMs?: number | undefined
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  /** Those of the cache writes that live for an hour; absent where none do. */
  readonly longCacheWriteTokens?: number | undefined
  /** In nano-USD. Undefined where tokens were used at a price that nobody knows: unknown is not zero. */
  readonly costNanoUsd: bigint | undefined
  /** Whether the tokens were counted here because the provider did not say. */
  readonly estimated: boolean
  /** Whether it cost more than was held for it. */
  readonly overrun: boolean
  /** What does not add up in what the provider said was used, or has a price of its own. */
  readonly usageFaults?: readonly UsageFault[] | undefined
  /** The unit prices that were used, so that history never changes. */
  readonly prices?: UnitPrices | undefined
  readonly priceSource?: string | undefined
  /** Stands for what was asked, where fingerprints are kept and a cache could have answered: the same for the same request. */
  readonly fingerprint?: string | undefined
}

/** What an attempt used and cost, and when: what replaying reads. */
export type SpentAttempt = Pick<
  LedgerAttempt,
  | keyof AttemptKey
  | 'time'
  | 'model'
  | 'outcome'
  | 'latencyMs'
  | 'inputTokens'
  | 'cachedInputTokens'
  | 'cacheWriteTokens'
  | 'outputTokens'
  | 'reasoningTokens'
  | 'longCacheWriteTokens'
  | 'costNanoUsd'
  | 'fingerprint'
>

/** One call that ended. What it used and cost is the sum of its attempts. */
export interface LedgerCall {
  readonly callKey: string
  readonly callId: string
  readonly parent?: string | undefined
  readonly time: number
  readonly identity: LedgerIdentity
  readonly route: string
  /** The model that answered; undefined where none did. */
  readonly model?: string | undefined
  readonly outcome: string
  readonly durationMs: number
  readonly failovers: number
  /** What was decided, and why: the labels, the candidates, the seed. */
  readonly decision: object
}

/** An attempt that is about to be sent: what is charged should the process die before it is settled. */
export interface LedgerIntent extends AttemptKey {
  readonly callId: string
  readonly time: number
  readonly identity: LedgerIdentity
  readonly route: string
  readonly model: string
  readonly provider: string
  /** The most it can use. */
  readonly inputTokens: number
  readonly outputTokens: number
  /** What that costs, in nano-USD; undefined at a price that nobody knows. */
  readonly boundNanoUsd: number | undefined
  readonly prices?: UnitPrices | undefined
  readonly priceSource?: string | undefined
}

/** What somebody said of the answer of a call. Of several the last holds. */
export interface LedgerRating {
  readonly callKey: string
  /** When it was said, in milliseconds since the Unix epoch. */
  readonly time: number
  /** From 0 to 1. */
  readonly score: number
}

/** A call that was rated, with what was decided for it. */
export interface RatedCall extends LedgerCall {
  /** From 0 to 1. */
  readonly score: number
  /** When it was rated, in milliseconds since the Unix epoch. */
  readonly ratedAt: number
}

/** What a query asks for. Everything given must hold. */
export interface LedgerQuery {
  /** From this time on, in milliseconds since the Unix epoch. */
  readonly from?: number | undefined
  /** Before this time. */
  readonly to?: number | undefined
  readonly model?: string | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly team?: string | undefined
  readonly route?: string | undefined
  readonly tag?: string | undefined
  /** One call. */
  readonly callKey?: string | undefined
  /** Calls with this id: it may have come twice. */
  readonly callId?: string | undefined
}

/** What a query for calls asks for. */
export interface CallQuery extends LedgerQuery {
  /** Only calls that went from one model to another so many times, or more. */
  readonly minimumFailovers?: number | undefined
  /** Only calls that ended at this time or later, in milliseconds since the Unix epoch. */
  readonly endedFrom?: number | undefined
  /** Only so many, those that began last. */
  readonly newest?: number | undefined
}

/** What totals are taken by. */
export const ledgerGroups = ['model', 'user', 'key', 'team', 'route', 'tag', 'day'] as const

/** One of them. */
export type LedgerGroup = (typeof ledgerGroups)[number]

/** The sums of the attempts of one group. */
export interface LedgerTotal {
  /** The group's name; empty for what has none. */
  readonly group: string
  readonly calls: number
  readonly attempts: number
  readonly inputTokens: bigint
  readonly cachedInputTokens: bigint
  readonly cacheWriteTokens: bigint
  readonly outputTokens: bigint
  readonly reasoningTokens: bigint
  readonly costNanoUsd: bigint
  /** Attempts that used tokens at a price that nobody knows: they are in no sum of money. */
  readonly unpricedAttempts: number
  readonly estimatedAttempts: number
  readonly failedAttempts: number
}

/** A ledger, to read. */
export interface LedgerReader {
  /** Attempts, oldest first. */
  attempts(query?: LedgerQuery): IterableIterator<LedgerAttempt>
  /** Calls, oldest first. */
  calls(query?: CallQuery): IterableIterator<LedgerCall>
  /** Calls that were rated, oldest first. */
  ratings(query?: LedgerQuery): IterableIterator<RatedCall>
  totals(by: LedgerGroup, query?: LedgerQuery): LedgerTotal[]
  /** What was used and spent in a period (the last 30 days where none is named), against what a baseline would have cost. */
  report(query?: ReportQuery): Report
  /** What would have cost less, by replaying what was done: the most saving first. */
  recommendations(query?: LedgerQuery): Recommendation[]
}

/** Every call and attempt, with what they used and cost. */
export interface Ledger extends LedgerReader {
  /** Writes down an attempt that is about to be sent. It is safe from the death of the process when this returns. */
  begin(intent: LedgerIntent): void
  /**
   * Posts an attempt that ended. Posting the same again does nothing.
   *
   * @throws Error through {@link flush} when an attempt comes again with other amounts
   */
  post(attempt: LedgerAttempt): void
  /** Posts a call that ended. */
  close(call: LedgerCall): void
  /** Writes down what somebody said of the answer of a call. */
  rate(rating: LedgerRating): void
  /** Settles when everything posted before is safe on disk. */
  flush(): Promise<void>
  /** Flushes and lets go of the file. */
  end(): Promise<void>
}

/** Hears of calls that are safe on disk. */
export type OnEntries = (callKeys: readonly string[]) => void

/** Whether two postings of an attempt say the same. */
export const isSamePosting = (one: LedgerAttempt, other: LedgerAttempt): boolean => amountsOf(one) === amountsOf(other)

function amountsOf({
  inputTokens,
  cachedInputTokens,
  cacheWriteTokens,
  outputTokens,
  reasoningTokens,
  costNanoUsd,
}: LedgerAttempt): string {
  return [inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens, costNanoUsd].join(' ')
}

/** The error for an attempt that was posted twice with different amounts. */
export function conflict({ callKey, place }: AttemptKey): Error {
  return new Error(`The attempt ${place} of the call ${callKey} is in the ledger already, with other amounts`)
}
