import { type Amount, narrow } from '../amount.ts'
import { createCounter, slide, used } from '../counter.ts'
import type { CounterRows } from './counters.ts'
import type { OnUndo, SqliteFile } from './file.ts'
import type { Share } from './share.ts'
import type { DeadSlice, ProcessRow, SliceRows } from './slices.ts'
import type { TimeLine } from './time.ts'

/** The file and this process's shares of what it counts: what the parts of the store work on. */
export interface Desk {
  file: SqliteFile
  counters: CounterRows
  slices: SliceRows
  time: TimeLine
  shares: Map<string, Share>
}

export interface ProcessLeaseOptions {
  /** How long a process that does not renew its lease is taken to live, in milliseconds. */
  leaseMs: number
  /** How long after the end of its lease a process may still come back to what it had, in milliseconds. */
  correctableMs: number
  /** Called when it came back too late: what it held is posted for good. */
  onForgotten: () => void
}

/** This process's own lease, without which its slices count for nothing, and the ends of those of others. */
export interface ProcessLease {
  /** The row of this process; 0 while it has none. */
  id(): bigint
  /** How many processes lived when this one renewed its lease last; at least 1. */
  sharers(): number
  /** Whether what this process leases is its own at `now`. */
  isGood(now: number): boolean
  /** Begins the lease, renews it, or takes back what was written off when it ended. A transaction of its own. */
  renewIfDue(): void
  /** Writes off what dead processes leased, inside a transaction. Says whether there were any. */
  endDue(now: number): boolean
  /** Writes off what this process still leases, inside a transaction, and goes. */
  leave(now: number): void
}

/** How many forgettable keys one renewal lets go of. */
const mostForgotten = 1_000

/** A process that leases nothing yet. */
export function createProcessLease(
  desk: Desk,
  { leaseMs, correctableMs, onForgotten }: ProcessLeaseOptions,
): ProcessLease {
  const { file, counters, slices, time, shares } = desk
  let id: bigint | undefined
  let endsAt = -Infinity
  let sharers = 1

  function renewIfDue() {
    if (time.now() < endsAt - 0.75 * leaseMs) return
    const renewed = file.write((onUndo) => {
      const now = time.now()
      const found = id === undefined ? undefined : slices.findProcess(id)
      if (found?.isLapsed) revive(found, now, onUndo)
      const own = found?.id ?? slices.addProcess(process.pid, now + leaseMs)
      if (found !== undefined) slices.renew(own, now + leaseMs)
      endDue(now)
      slices.removeProcessesUntil(now - correctableMs)
      counters.forget(now, mostForgotten)
      time.keep()
      const isForgotten = id !== undefined && found === undefined
      return { id: own, endsAt: now + leaseMs, living: slices.countLiving(), isForgotten }
    })
    id = renewed.id
    endsAt = renewed.endsAt
    sharers = renewed.living
    if (renewed.isForgotten) onForgotten()
  }

  function endDue(now: number): boolean {
    const due = slices.dueProcesses(now)
    for (const ended of due) end(ended, now)
    return due.length > 0
  }

  /** Posts what a process could have spent by the end of its lease, as if it had been reserved just then. */
  function end(ended: ProcessRow, now: number) {
    for (const slice of slices.slicesOf(ended.id)) {
      const slot = slotOf(slice, ended.endsAt)
      const forgetAt = slot === undefined ? ended.endsAt + slice.forgetAfterMs : slot + slice.windowMs
      const isGone = slot !== undefined && forgetAt <= now
      const lapsed = slice.releases || isGone ? 0n : slice.amount
      if (lapsed > 0n) counters.postNow(slice.counterId, { time: slot, amount: lapsed, forgetAt })
      slices.lapseSlice({ ...slice, lapsed }, ended.id)
    }
    slices.lapseProcess(ended.id)
  }

  /** Turns what was posted for this process back into what it leases; what was given back is leased for what is held. */
  function revive({ id: own, endsAt: endedAt }: ProcessRow, now: number, onUndo: OnUndo) {
    for (const slice of slices.slicesOf(own)) {
      const isBack = slice.lapsed > 0n && counters.unpost(slice.counterId, slotOf(slice, endedAt), slice.lapsed)
      const share = shares.get(slice.key)
      if (share !== undefined) slide(share, now)
      const leased = isBack ? narrow(slice.lapsed) : share === undefined ? 0 : used(share)
      slices.restoreSlice(slice.counterId, own, leased)
      if (share !== undefined) setLeased(share, leased, onUndo)
    }
  }

  function leave(now: number) {
    if (id === undefined) return
    const found = slices.findProcess(id)
    if (found !== undefined && !found.isLapsed) end({ ...found, endsAt: now }, now)
    slices.removeProcess(id)
  }

  return { id: () => id ?? 0n, sharers: () => sharers, isGood: (now) => now < endsAt, renewIfDue, endDue, leave }
}

/** The place in a window of what is posted at a time; undefined for a counter that never slides. */
function slotOf({ key, windowMs }: DeadSlice, endedAt: number): number | undefined {
  if (windowMs === Infinity) return undefined
  const { grainMs } = createCounter(key, windowMs)
  return Math.ceil(endedAt / grainMs) * grainMs
}

function setLeased(share: Share, leased: Amount, onUndo: OnUndo) {
  const before = share.leased
  share.leased = leased
  onUndo(() => (share.leased = before))
}
