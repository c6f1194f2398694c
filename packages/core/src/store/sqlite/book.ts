import type { Amount } from '../amount.ts'
import { used } from '../counter.ts'
import type { CounterRow } from './counters.ts'
import type { OnUndo } from './file.ts'
import type { Desk } from './process.ts'
import { free, type Share, takePosted } from './share.ts'

/** Writes what this process posted and leases into the file. Each function expects to be inside a transaction. */
export interface Book {
  /** The row of a share's key, made if there is none. */
  rowOf(share: Share, now: number): CounterRow
  /** Moves what a share has posted into its row. */
  movePosted(share: Share, row: CounterRow, now: number): void
  /** Leases so much from now on, and writes the row. */
  lease(share: Share, row: CounterRow, change: LeaseChange): void
  /** Writes down a share: what it has posted, and that it keeps what is free of it or gives it back. */
  tell(share: Share, options: { now: number; keepsFree: boolean }): void
}

/** What a slice is to be. */
interface LeaseChange {
  now: number
  leased: Amount
  isExact: boolean
  releases: boolean
  fitsUnder: Amount
}

/** A book for one transaction, which puts back what it changed in memory should the transaction fail. */
export function openBook({ counters, slices }: Desk, processId: bigint, onUndo: OnUndo): Book {
  const rowOf = (share: Share, now: number) =>
    counters.find(share.key, now) ?? counters.add(share.key, share.windowMs, share.limit)

  function movePosted(share: Share, row: CounterRow, now: number) {
    const { posted, undo } = takePosted(share, now)
    onUndo(undo)
    for (const slot of posted) counters.post(row, slot.time, slot.posted)
    // A correction of what the file has forgotten with its key leaves nothing to correct.
    if (row.posted < 0) row.posted = 0
  }

  function lease(share: Share, row: CounterRow, { now, ...change }: LeaseChange) {
    const { leased, isExact, releases, fitsUnder } = share
    onUndo(() => Object.assign(share, { leased, isExact, releases, fitsUnder }))
    Object.assign(share, change)
    row.limit = share.limit
    counters.save(row, now, share.forgetAfterMs)
    letForget(share, row, now)
    slices.save(row.id, processId, { amount: share.leased, isExact: share.isExact, releases: share.releases })
  }

  /** Once nobody leases anything of it: at once where nothing is posted, and at most a sixteenth late elsewhere. */
  function letForget({ usedAt, forgetAfterMs, windowMs, grainMs }: Share, row: CounterRow, now: number) {
    if (windowMs !== Infinity) counters.forgetLater(row, now + windowMs + grainMs, windowMs / 16)
    else if (row.posted === 0) counters.forgetLater(row, 0, 0)
    else counters.forgetLater(row, usedAt + forgetAfterMs, forgetAfterMs / 16)
  }

  function tell(share: Share, { now, keepsFree }: { now: number; keepsFree: boolean }) {
    const row = rowOf(share, now)
    movePosted(share, row, now)
    const keeps = keepsFree && !share.isExact
    const left = free(share)
    const leased = keeps && left > 0 ? share.leased : used(share)
    const fitsUnder = left < 0 ? -1 : share.fitsUnder
    lease(share, row, { now, leased, isExact: !keeps, releases: share.releases, fitsUnder })
  }

  return { rowOf, movePosted, lease, tell }
}
