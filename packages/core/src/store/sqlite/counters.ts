import { type Amount, minus, narrow, plus } from '../amount.ts'
import type { SqliteFile } from './file.ts'

/** What the file says of a key, as of the instant it was found for: what has left the window is taken off. */
export interface CounterRow {
  id: bigint
  /** Infinity for one that never slides. */
  windowMs: number
  limit: Amount
  posted: Amount
  /** Until then no process keeps anything of it free. */
  exactUntil: number
  /** Whether slots of it have left the window and are still to be deleted. */
  hasGone: boolean
  /** When it may be forgotten unless it is leased; Infinity for never. */
  forgetAt: number
}

/** The rows of the keys and of what was posted in their windows. Each function expects to be inside a transaction. */
export type CounterRows = ReturnType<typeof createCounterRows>

/** Prepares what reads and writes them. */
export function createCounterRows({ prepare }: SqliteFile) {
  const byKey = prepare(
    'SELECT id, window_ms, limit_amount, posted, exact_until, forget_at FROM counters WHERE key = ?',
  )
  const insert = prepare('INSERT INTO counters (key, window_ms, limit_amount) VALUES (?, ?, ?) RETURNING id')
  const update = prepare('UPDATE counters SET limit_amount = ?, posted = ?, forget_after_ms = ? WHERE id = ?')
  const updateForgetAt = prepare('UPDATE counters SET forget_at = ? WHERE id = ?')
  const addToPosted = prepare('UPDATE counters SET posted = posted + ? WHERE id = ?')
  const keepUntil = prepare('UPDATE counters SET forget_at = max(forget_at, ?) WHERE id = ?')
  const setExact = prepare('UPDATE counters SET exact_until = ? WHERE id = ?')
  const sumOfGone = prepare('SELECT sum(posted) AS posted FROM slots WHERE counter_id = ? AND time <= ?')
  const deleteGone = prepare('DELETE FROM slots WHERE counter_id = ? AND time <= ?')
  const addToSlot = prepare(
    `INSERT INTO slots (counter_id, time, posted) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET posted = posted + excluded.posted`,
  )
  const takeFromSlot = prepare('UPDATE slots SET posted = posted - ? WHERE counter_id = ? AND time = ?')
  const slots = prepare('SELECT time, posted FROM slots WHERE counter_id = ? AND time > ? ORDER BY time')
  const newest = prepare('SELECT max(time) AS time FROM slots WHERE counter_id = ? AND time > ? AND posted <> 0')
  const deleteForgettable = prepare(
    `DELETE FROM counters WHERE id IN (
      SELECT id FROM counters WHERE forget_at <= ? AND (posted = 0 OR forget_at > 0)
      AND NOT EXISTS (SELECT 1 FROM slices WHERE counter_id = counters.id) LIMIT ?)`,
  )

  function find(key: string, now: number): CounterRow | undefined {
    const found = byKey.get(key) as Found | undefined
    if (found === undefined) return undefined
    const { id, window_ms, limit_amount, posted, exact_until, forget_at } = found
    const windowMs = window_ms ?? Infinity
    const gone = windowMs === Infinity ? null : (sumOfGone.get(id, now - windowMs)!.posted as bigint | null)
    return {
      id,
      windowMs,
      limit: narrow(limit_amount),
      posted: gone === null ? narrow(posted) : minus(posted, gone),
      exactUntil: exact_until,
      hasGone: gone !== null,
      forgetAt: forget_at ?? Infinity,
    }
  }

  function add(key: string, windowMs: number, limit: Amount): CounterRow {
    const { id } = insert.get(key, windowMs === Infinity ? null : windowMs, BigInt(limit)) as { id: bigint }
    return { id, windowMs, limit, posted: 0, exactUntil: 0, hasGone: false, forgetAt: Infinity }
  }

  /** Writes down a row that was found or added at `now`. */
  function save({ id, windowMs, limit, posted, hasGone }: CounterRow, now: number, forgetAfterMs: number) {
    if (hasGone) deleteGone.run(id, now - windowMs)
    update.run(BigInt(limit), BigInt(posted), forgetAfterMs === Infinity ? null : forgetAfterMs, id)
  }

  /** Says when it may be forgotten, or up to `slackMs` later, so that the index is not written every time. */
  function forgetLater({ id, forgetAt: old }: CounterRow, forgetAt: number, slackMs: number) {
    if (old === forgetAt || (old > forgetAt && old <= forgetAt + slackMs)) return
    updateForgetAt.run(forgetAt === Infinity ? null : forgetAt + slackMs, id)
  }

  /** Posts in the slot of `time`, and in `row.posted`. */
  function post(row: CounterRow, time: number, amount: Amount) {
    if (row.windowMs !== Infinity) addToSlot.run(row.id, time, BigInt(amount))
    row.posted = plus(row.posted, amount)
  }

  /** Posts at once to a counter, and to its slot of `time` if it has one. It may be forgotten at `forgetAt`. */
  function postNow(id: bigint, { time, amount, forgetAt }: Posting) {
    if (time !== undefined) addToSlot.run(id, time, amount)
    addToPosted.run(amount, id)
    keepUntil.run(forgetAt === Infinity ? null : forgetAt, id)
  }

  /** Takes back what {@link postNow} posted; false when it has left the window. */
  function unpost(id: bigint, time: number | undefined, amount: bigint): boolean {
    if (time !== undefined && takeFromSlot.run(amount, id, time).changes === 0n) return false
    addToPosted.run(-amount, id)
    return true
  }

  /** What was posted in the window that ends at `now`, the oldest first. Read it to its end or leave it. */
  function* slotsOf({ id, windowMs }: CounterRow, now: number): Generator<{ time: number; amount: Amount }> {
    for (const slot of slots.iterate(id, now - windowMs)) {
      yield { time: Number(slot.time), amount: narrow(slot.posted as bigint) }
    }
  }

  function newestTime({ id, windowMs }: CounterRow, now: number): number | undefined {
    const { time } = newest.get(id, now - windowMs) as { time: bigint | null }
    return time === null ? undefined : Number(time)
  }

  return {
    find,
    add,
    save,
    forgetLater,
    post,
    postNow,
    unpost,
    slotsOf,
    newestTime,
    keepExact: ({ id }: CounterRow, until: number) => void setExact.run(until, id),
    /** Forgets keys that are due and that nobody leases, so many at most. */
    forget: (now: number, most: number) => void deleteForgettable.run(now, most),
  }
}

interface Found {
  id: bigint
  window_ms: number | null
  limit_amount: bigint
  posted: bigint
  exact_until: number
  forget_at: number | null
}

interface Posting {
  time: number | undefined
  amount: bigint
  forgetAt: number
}
