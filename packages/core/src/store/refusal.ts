import type { Amount } from './amount.ts'
import { checkEntry } from './checks.ts'
import type { Entry, Refused } from './store.ts'

/** How one entry of a refused reservation stands. */
export interface Standing {
  /** What its limit leaves, below 0 when there is debt. */
  left: Amount
  resetMs: number | undefined
  /** Milliseconds until it would fit if nothing else came; Infinity when it takes a release. */
  untilFitsMs: number
}

/** The answer to a reservation whose entry at `index` is the first that has no room. */
export function refusal(entries: readonly Entry[], index: number, standingOf: (entry: Entry) => Standing): Refused {
  const { key, limit } = entries[index]!
  const first = standingOf(entries[index]!)
  let retryAfterMs = first.untilFitsMs
  let never = false
  for (let other = index; other < entries.length; other++) {
    const entry = checkEntry(entries, other)
    if (entry.soft) continue
    never ||= entry.amount > entry.limit
    if (other > index) retryAfterMs = Math.max(retryAfterMs, standingOf(entry).untilFitsMs)
  }
  return {
    granted: false,
    index,
    key,
    limit,
    remaining: first.left > 0 ? first.left : 0,
    resetMs: first.resetMs,
    retryAfterMs: never || retryAfterMs === Infinity ? undefined : retryAfterMs,
    never,
  }
}
