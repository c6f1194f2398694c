import type { Clock } from '../clock.ts'
import type { Amount } from './amount.ts'
import { checkEntry, checkWindow } from './checks.ts'
import { hold, slide } from './counter.ts'
import { createHolds, type Part } from './holds.ts'
import { createAsks } from './sqlite-asks.ts'
import { createAttempt } from './sqlite-attempt.ts'
import { createCounterRows } from './sqlite-counters.ts'
import { openSqliteFile, type SqliteFile } from './sqlite-file.ts'
import { createProcessLease, type Desk } from './sqlite-process.ts'
import { readKey } from './sqlite-read.ts'
import { hasFree, mustTell, type Share } from './sqlite-share.ts'
import { createSliceRows } from './sqlite-slices.ts'
import { joinTimeLine } from './sqlite-time.ts'
import { createUpkeep } from './sqlite-upkeep.ts'
import type {
  Entry,
  Expired,
  MaybePromise,
  Reading,
  Refused,
  Reservation,
  Reserved,
  Settlement,
  Store,
} from './store.ts'

/** A {@link Store} in a file, for the processes of one host. */
export interface SqliteStore extends Store {
  readonly scope: 'host'
  /** Answers at once, or by promise where it has to ask other processes to give back what they keep free. */
  reserve(reservation: Reservation): MaybePromise<Reserved | Refused>
  settle(id: string, amounts: readonly Amount[]): Settlement
  release(id: string): Settlement
  read(keys: readonly string[]): readonly Reading[]
  sweep(): readonly Expired[]
  /** Gives back what is free, posts what is still held at its upper bound, and closes the file. */
  close(): void
}

export interface SqliteStoreOptions {
  /** The file, on a disk of this host; made if there is none. Two more stand beside it: `-wal` and `-shm`. */
  file: string
  clock: Clock
  /**
   * What a process leases is posted, or given back, so long after its last sign of life, in milliseconds.
   * @default 10,000
   */
  processLeaseMs?: number
  /** How long to wait for processes that keep something free and do not answer, in milliseconds. @default 250 */
  askTimeoutMs?: number
  /** How long an expired hold may still be corrected, in milliseconds. @default 3,600,000 */
  correctableMs?: number
  /** How long to wait, with the event loop blocked, for another process's transaction. @default 5,000 */
  busyTimeoutMs?: number
  /**
   * Whether every commit reaches the disk before it counts. Without it nothing is lost when a process is killed, but a
   * power failure can lose the last moments. @default false
   */
  durable?: boolean
}

const granted: Reserved = Object.freeze({ granted: true })

/**
 * A store shared by the processes of a host through a file.
 *
 * @example
 * const store = createSqliteStore({ file: '/var/lib/app/limits.db', clock: systemClock })
 * const entries = [{ key: 'user:7:money', limit: 5_000_000_000, amount: 1_200_000 }]
 * const answer = await store.reserve({ id: 'call-1/1', entries, leaseMs: 200_000 })
 */
export function createSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { clock } = options
  const { processLeaseMs, askTimeoutMs, correctableMs, busyTimeoutMs, isDurable } = checkedOptions(options)
  const holds = createHolds<Share>(correctableMs)
  const file = openSqliteFile(options.file, { busyTimeoutMs, isDurable })
  const desk = createDesk(file, clock)
  const { shares, time } = desk
  const own = createProcessLease(desk, { leaseMs: processLeaseMs, correctableMs, onForgotten: forgetAll })
  const asks = createAsks({ desk, own, timeoutMs: askTimeoutMs, retry: reserveInFile })
  const attempt = createAttempt(desk, own, asks.isSilent)
  const upkeep = createUpkeep(desk, own, { clock, asks, begin })

  function reserve(reservation: Reservation): MaybePromise<Reserved | Refused> {
    const now = begin()
    check(reservation)
    if (own.isGood(now) && hasAllFree(reservation.entries, now)) return take(reservation, now)
    const tried = reserveInFile(reservation, true)
    if ('granted' in tried) return tried
    if (tried.outcome === 'refused') return tried.refused
    const answer = asks.wait(reservation, tried.keys)
    upkeep.wake([])
    return answer
  }

  function check({ id, entries, leaseMs }: Reservation) {
    if (!(leaseMs > 0)) throw new RangeError(`Expected leaseMs to be above 0, got ${leaseMs}`)
    if (holds.get(id) !== undefined || asks.isWaiting(id)) throw new RangeError(`The id ${id} is already in use`)
    for (let index = 0; index < entries.length; index++) checkEntry(entries, index)
  }

  /** Whether what this process leases is enough. */
  function hasAllFree(entries: readonly Entry[], now: number): boolean {
    for (const entry of entries) {
      const share = shares.get(entry.key)
      if (share === undefined) return false
      checkWindow(share, entry.windowMs)
      slide(share, now)
      if (!hasFree(share, entry)) return false
    }
    return true
  }

  function reserveInFile(reservation: Reservation, mayAsk: boolean) {
    const tried = attempt(reservation.entries, mayAsk)
    if (tried.outcome !== 'leased') return tried
    upkeep.wake(reservation.entries.map(({ key }) => shares.get(key)!))
    return take(reservation, tried.now)
  }

  function take({ id, entries, leaseMs }: Reservation, now: number): Reserved {
    const parts: Part<Share>[] = []
    for (const entry of entries) parts.push(takeOne(entry, now))
    holds.add(id, parts, now + leaseMs)
    return granted
  }

  function takeOne({ key, amount, limit, onExpiry, forgetAfterMs }: Entry, now: number): Part<Share> {
    const share = shares.get(key)!
    share.limit = limit
    share.usedAt = now
    share.forgetAfterMs = forgetAfterMs ?? Infinity
    share.spent += Number(amount)
    return { counter: share, slot: hold(share, amount, now), amount, releasesOnExpiry: onExpiry === 'release' }
  }

  function settle(id: string, amounts: readonly Amount[]): Settlement {
    const now = begin()
    const found = holds.get(id)
    if (found === undefined) return 'unknown'
    const settlement = holds.settle(found, amounts, now)
    let untold: Share[] | undefined
    for (const { counter } of found.parts) if (mustTell(counter)) (untold ??= []).push(counter)
    if (untold !== undefined) upkeep.tell(untold, now)
    return settlement
  }

  function release(id: string): Settlement {
    const found = holds.get(id)
    if (found === undefined) return 'unknown'
    const nothing = found.parts.map(() => 0)
    return settle(id, nothing)
  }

  function read(keys: readonly string[]): readonly Reading[] {
    const now = begin()
    const untold = keys.flatMap((key) => shares.get(key) ?? []).filter((share) => share.posted !== 0)
    if (untold.length > 0) upkeep.tell(untold, now)
    if (file.read(() => desk.slices.dueProcesses(now)).length > 0) file.write(() => own.endDue(now))
    return file.read(() => keys.map((key) => readKey(desk, { key, processId: own.id(), now })))
  }

  function sweep(): readonly Expired[] {
    const now = begin()
    upkeep.tellAll(now)
    file.write(() => {
      own.endDue(now)
      desk.counters.forget(now, mostForgotten)
    })
    return holds.takeUntold()
  }

  /** Every verb begins by ending the leases that are due, so that each sees the world as of now. */
  function begin(): number {
    const now = time.now()
    holds.endDue(now)
    upkeep.look(now)
    return now
  }

  function forgetAll() {
    shares.clear()
    holds.clear()
  }

  function close() {
    asks.finish()
    try {
      const now = begin()
      upkeep.stop(now)
      file.write(() => own.leave(now))
    } finally {
      file.close()
    }
  }

  return { scope: 'host', reserve, settle, release, read, sweep, close }
}

/** How many keys one sweep forgets at most. */
const mostForgotten = 100_000

function createDesk(file: SqliteFile, clock: Clock): Desk {
  const counters = createCounterRows(file)
  return { file, counters, slices: createSliceRows(file), time: joinTimeLine(file, clock), shares: new Map() }
}

function checkedOptions({
  processLeaseMs = 10_000,
  askTimeoutMs = 250,
  correctableMs = 3_600_000,
  busyTimeoutMs = 5_000,
  durable = false,
}: SqliteStoreOptions) {
  if (!(processLeaseMs >= 1_000)) {
    throw new RangeError(`Expected processLeaseMs to be 1,000 or more, got ${processLeaseMs}`)
  }
  if (!(askTimeoutMs >= 0)) throw new RangeError(`Expected askTimeoutMs to be 0 or more, got ${askTimeoutMs}`)
  if (!(busyTimeoutMs >= 0)) throw new RangeError(`Expected busyTimeoutMs to be 0 or more, got ${busyTimeoutMs}`)
  return { processLeaseMs, askTimeoutMs, correctableMs, busyTimeoutMs: Math.floor(busyTimeoutMs), isDurable: durable }
}
