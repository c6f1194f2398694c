import type { LedgerGroup, LedgerQuery } from '../ledger/types.ts'
import type { PriceSettings } from '../money/price.ts'

/** What a report compares with: a model by its name, or prices of one's own (USD per million tokens). */
export type Baseline = string | (PriceSettings & { readonly name: string })

/** What a report is asked for. */
export interface ReportQuery extends LedgerQuery {
  /** @default 'model' */
  readonly by?: LedgerGroup | undefined
  /** @default the dearest model that the router has, or that the ledger last had */
  readonly baseline?: Baseline | undefined
}

/** The sums of one group. Money is an exact decimal of US dollars. */
export interface ReportRow {
  /** The group's name; empty for what has none. */
  readonly key: string
  /** By model, the calls that tried it; else the calls of the group. */
  readonly calls: number
  readonly attempts: number
  /** Those that used tokens at a price that nobody knows: no sum of money has them. */
  readonly unpricedAttempts: number
  /** Without those read from a cache. */
  readonly inputTokens: number
  readonly cachedInputTokens: number
  /** With those of reasoning. */
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costUsd: string
  /** What the same tokens, cached and failed ones too, would have cost at the baseline. */
  readonly baselineUsd: string
  readonly savingsUsd: string
  /** By model, of its attempts; else of whole calls. To the end of the answer; 0 where there are none. */
  readonly meanLatencyMs: number
  /** To three significant digits. */
  readonly p99LatencyMs: number
  /** By model, the share of its attempts that succeeded; else of the calls. */
  readonly successRate: number
  /** ISO 8601; null where there is nothing. */
  readonly lastUsed: string | null
}

/** What was used and spent in a period, by group: the dearest first, days in their order. */
export interface Report {
  /** ISO 8601. */
  readonly from: string
  /** ISO 8601; not included. */
  readonly to: string
  readonly by: LedgerGroup
  readonly rows: readonly ReportRow[]
  /** Each attempt once: by tag the rows may sum to more, since one attempt may have several. */
  readonly total: ReportRow
}
