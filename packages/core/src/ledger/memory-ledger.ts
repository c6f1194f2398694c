import { inOrder, matches, totalsOf } from './in-memory.ts'
import { type Ledger, type LedgerAttempt, type LedgerCall, type OnEntries, conflict, isSamePosting } from './types.ts'

/** A ledger that is gone with the process: for tests, and for those who only want totals while they run. */
export function createMemoryLedger({ onEntries }: { readonly onEntries?: OnEntries } = {}): Ledger {
  const attempts = new Map<string, LedgerAttempt>()
  const calls = new Map<string, LedgerCall>()
  let failure: Error | undefined

  return {
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
    async flush() {
      const error = failure
      failure = undefined
      if (error) throw error
    },
    attempts: (query) => inOrder([...attempts.values()].filter((attempt) => matches(attempt, query))).values(),
    calls: (query) => inOrder([...calls.values()].filter((call) => matches(call, query))).values(),
    totals: (by, query) =>
      totalsOf(
        by,
        [...attempts.values()].filter((attempt) => matches(attempt, query)),
      ),
    end: () => Promise.resolve(),
  }
}
