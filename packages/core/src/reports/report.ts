import type { LedgerAttempt, LedgerGroup, LedgerQuery } from '../ledger/types.ts'
import type { Price } from '../money/price.ts'
import { type KnownPrices, baselinePrice } from './baseline.ts'
import { Gatherer } from './gather.ts'
import type { Report, ReportQuery } from './types.ts'

/** What reports are made from: one for each kind of ledger. */
export interface ReportSource {
  /** Sums every attempt up, and every call where the gatherer counts them. */
  gather(by: LedgerGroup, query: LedgerQuery, into: Gatherer, baseline: Price | undefined): void
  /** The last attempts of all, the newest first: a thousand at the most. */
  recent(): Iterable<LedgerAttempt>
}

const defaultPeriodMs = 30 * 86_400_000

/** The period of a query: the last 30 days where it names none, up to now. */
export function periodOf({ from, to }: LedgerQuery, nowMs: number): { readonly from: number; readonly to: number } {
  const end = to ?? nowMs + 1
  return { from: from ?? Math.min(end, nowMs) - defaultPeriodMs, to: end }
}

/** Makes a report. */
export function makeReport(source: ReportSource, query: ReportQuery, known: KnownPrices, nowMs: number): Report {
  const { by = 'model', baseline, ...rest } = query
  const within = { ...rest, ...periodOf(query, nowMs) }
  const gatherer = new Gatherer(by, query)
  source.gather(by, within, gatherer, baselinePrice(baseline, known, source.recent))
  return {
    from: new Date(within.from).toISOString(),
    to: new Date(within.to).toISOString(),
    by,
    rows: gatherer.rows(),
    total: gatherer.total(),
  }
}
