import { type Clock, systemClock } from '../clock.ts'
import { type KnownPrices, noKnownPrices } from '../reports/baseline.ts'
import { recommend } from '../reports/recommend.ts'
import { makeReport } from '../reports/report.ts'
import { memoryReportSource } from './memory-report.ts'
import { inOrder, matches, totalsOf } from './in-memory.ts'
import {
  type Ledger,
  type LedgerAttempt,
  type LedgerCall,
  type LedgerRating,
  type OnEntries,
  type RatedCall,
  conflict,
  isSamePosting,
} from './types.ts'

/** What a ledger in memory may be given. */
export interface MemoryLedgerOptions {
  /** @default the machine's clock */
  readonly clock?: Clock
  /** What reports compare with, besides what stands in the ledger. */
  readonly prices?: KnownPrices | undefined
  readonly onEntries?: OnEntries | undefined
}

/** A ledger that is gone with the process: for tests, and for those who only want totals while they run. */
export function createMemoryLedger({
  clock = systemClock,
  prices = noKnownPrices,
  onEntries,
}: MemoryLedgerOptions = {}): Ledger {
  const attempts = new Map<string, LedgerAttempt>()
  const calls = new Map<string, LedgerCall>()
  const ratings = new Map<string, LedgerRating>()
  let failure: Error | undefined
  const source = memoryReportSource(
    () => attempts.values(),
    () => calls.values(),
  )

  const ledger: Ledger = {
    begin: () => undefined,
    post(attempt) {
      const name = `${attempt.callKey}/${attempt.place}`
      const before = attempts.get(name)
      if (!before) attempts.set(name, attempt)
      else if (!isSamePosting(before, attempt)) failure = conflict(attempt)
    },
    close(call) {
      if (calls.has(call.callKey)) return
      calls.set(call.callKey, call)
      onEntries?.([call.callKey])
    },
    rate: (rating) => void ratings.set(rating.callKey, rating),
    async flush() {
      const error = failure
      failure = undefined
      if (error) throw error
    },
    attempts: (query) => inOrder([...attempts.values()].filter((attempt) => matches(attempt, query))).values(),
    calls({ minimumFailovers = 0, endedFrom = -Infinity, newest = Infinity, ...query } = {}) {
      const isAsked = (call: LedgerCall) =>
        call.failovers >= minimumFailovers && call.time + call.durationMs >= endedFrom && matches(call, query)
      const asked = [...calls.values()].filter(isAsked)
      const ordered = inOrder(asked)
      return ordered.slice(Math.max(0, ordered.length - newest)).values()
    },
    ratings: (query) =>
      inOrder([...calls.values()].filter((call) => ratings.has(call.callKey) && matches(call, query)))
        .map((call): RatedCall => {
          const { score, time } = ratings.get(call.callKey)!
          return { ...call, score, ratedAt: time }
        })
        .values(),
    totals: (by, query) =>
      totalsOf(
        by,
        [...attempts.values()].filter((attempt) => matches(attempt, query)),
      ),
    report: (query = {}) => makeReport(source, query, prices, clock.wallTime()),
    recommendations: (query) => recommend(ledger, query, { known: prices, nowMs: clock.wallTime() }),
    end: () => Promise.resolve(),
  }
  return ledger
}
