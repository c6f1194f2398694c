import { type Amount, minus, plus } from '../amount.ts'
import type { CounterRow, CounterRows } from './counters.ts'
import type { Standing } from '../refusal.ts'
import type { Share } from './share.ts'
import type { Others } from './slices.ts'
import type { Entry } from '../store.ts'

/** What is known of a key. */
export interface Known {
  share: Share | undefined
  row: CounterRow | undefined
  others: Others
  total: Amount
}

interface Instant {
  counters: CounterRows
  now: number
}

/**
 * How an entry stands, of whose share nothing is posted: it was moved to the row. What other processes lease counts as held
 * since just now: when it really leaves the window is known to them alone.
 */
export function standingOf(known: Known & { entry: Entry }, instant: Instant): Standing {
  const { amount, limit } = known.entry
  const excess = minus(plus(known.total, amount), limit)
  return {
    left: minus(limit, known.total),
    resetMs: resetMsOf(known, instant),
    untilFitsMs: excess <= 0 ? 0 : timeUntilGone(excess, known, instant),
  }
}

/** Milliseconds until nothing counts any more; undefined for a key that never slides. */
export function resetMsOf({ share, row, others }: Known, { counters, now }: Instant): number | undefined {
  const windowMs = row?.windowMs ?? share?.windowMs ?? Infinity
  if (windowMs === Infinity) return undefined
  if (row === undefined) return 0
  const times = [counters.newestTime(row, now) ?? -Infinity]
  if (others.held > 0) times.push(Math.ceil(now))
  for (const { time, held, posted } of share?.slots.slice(share.head) ?? [])
    if (held > 0 || posted > 0) times.push(time)
  return Math.max(0, Math.max(...times) + windowMs - now)
}

/** Milliseconds until so much has left the window; Infinity when it never does. */
function timeUntilGone(excess: Amount, { share, row, others }: Known, { counters, now }: Instant): number {
  if (row === undefined || row.windowMs === Infinity) return Infinity
  let left = excess
  const late = [{ time: Math.ceil(now), amount: others.held }]
  for (const { time, amount } of inOrder(counters.slotsOf(row, now), heldIn(share), late)) {
    left = minus(left, amount)
    if (left <= 0) return time + row.windowMs - now
  }
  return Infinity
}

interface Dated {
  time: number
  amount: Amount
}

function* heldIn(share: Share | undefined): Generator<Dated> {
  for (const { time, held } of share?.slots.slice(share.head) ?? []) yield { time, amount: held }
}

/** Goes through several lists that are in order of time as through one, and closes them when it is left. */
function* inOrder(...lists: Iterable<Dated>[]): Generator<Dated> {
  const open = lists.map((list) => list[Symbol.iterator]())
  try {
    const heads = open.map((iterator) => iterator.next())
    for (let first = earliest(heads); first >= 0; first = earliest(heads)) {
      yield heads[first]!.value as Dated
      heads[first] = open[first]!.next()
    }
  } finally {
    for (const iterator of open) iterator.return?.()
  }
}

/** The place of the earliest; -1 when all are done. */
function earliest(heads: readonly IteratorResult<Dated>[]): number {
  let found = -1
  for (const [place, head] of heads.entries()) {
    if (!head.done && (found < 0 || head.value.time < (heads[found]!.value as Dated).time)) found = place
  }
  return found
}
