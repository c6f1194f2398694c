/**
 * A store that the processes of one host share through a SQLite file.
 *
 * To write the file for every call would be slow, and to count in memory alone would let each process spend the whole
 * limit. So a process takes a part of a limit out of the file, spends it in memory, and writes down now and then what
 * it spent.
 *
 * - **Slice** (`slices.ts`; in memory it is a `Share`, `share.ts`): so much of a key's limit as one process has leased.
 *   For all others all of it counts as held, whether it is spent or still free: so posted + held never passes the limit,
 *   whatever a process does with its slice. A slice grows with the pace of its process, up to what that spends in 50 ms,
 *   and shrinks to single holds where little is left of the limit.
 * - **Attempt** (`attempt.ts`): a reservation that the slices at hand do not cover leases, in one transaction, what all
 *   its entries need, or nothing.
 * - **Reclaim on demand** (`asks.ts`): what would fit if the others gave back what they keep free is not refused. The key
 *   is marked, the others see that within 5 ms and give back, and the reservation is tried again. For a second nobody
 *   keeps anything of that key free. So near the limit exactly as many calls get in as fit, whichever process they reach.
 * - **Hold** (`../holds.ts`): lives in the memory of its process. Its lease ends by itself: then it is posted at its
 *   upper bound, or given back where it says so (concurrency).
 * - **Process lease** (`process.ts`): a process renews its own every few seconds. When one dies, the first other one to
 *   notice that its lease has ended posts its slices in full: never less than it spent. One that was only stopped takes
 *   back what was posted for it when it comes round.
 * - **Upkeep** (`upkeep.ts`): beside the calls, a timer writes down what was posted (`book.ts`), gives back what is idle
 *   and answers those who ask.
 * - **The file** (`file.ts`, `schema.ts`; rows in `counters.ts` and `slices.ts`): short `BEGIN IMMEDIATE` transactions in
 *   WAL mode. A transaction that fails also undoes what it changed in memory. Killing a process loses nothing; a power
 *   failure may lose the last moments.
 * - **Time** (`time.ts`): one line for all processes, on the host's monotonic clock.
 */
import type { Clock } from '../../clock.ts'
import type { Amount } from '../amount.ts'
import { checkEntry, checkWindow } from '../checks.ts'
import { hold, slide } from '../counter.ts'
import { createHolds, type Part } from '../holds.ts'
import { createAsks } from './asks.ts'
import { createAttempt } from './attempt.ts'
import { createCounterRows } from './counters.ts'
import { openSqliteFile } from './file.ts'
import { createProcessLease, type Desk } from './process.ts'
import { readKey } from './read.ts'
import { hasFree, mustTell, type Share } from './share.ts'
import { createSliceRows } from './slices.ts'
import { joinTimeLine } from './time.ts'
import { createUpkeep } from './upkeep.ts'
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
} from '../store.ts'

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
  const { processLeaseMs, askTimeoutMs, correctableMs, busyTimeoutMs } = checkedOptions(options)
  const holds = createHolds<Share>(correctableMs)
  const desk = openDesk(options.file, { clock, busyTimeoutMs })
  const { file } = desk
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
    // What others have written off for this process is its own again.
    if (shares.size > 0 && !own.isGood(now)) own.renewIfDue()
    const readAll = () => keys.map((key) => readKey(desk, { key, processId: own.id(), now }))
    const isAnyDue = () => desk.slices.dueProcesses(now).length > 0
    const readings = file.read(() => (isAnyDue() ? undefined : readAll()))
    return readings ?? file.write(() => (own.endDue(now), readAll()))
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

  return { scope: 'host', sharers: own.sharers, reserve, settle, release, read, sweep, close }
}

/** How many keys one sweep forgets at most. */
const mostForgotten = 100_000

function openDesk(name: string, { clock, busyTimeoutMs }: { clock: Clock; busyTimeoutMs: number }): Desk {
  const file = openSqliteFile(name, busyTimeoutMs)
  try {
    const counters = createCounterRows(file)
    return { file, counters, slices: createSliceRows(file), time: joinTimeLine(file, clock), shares: new Map() }
  } catch (error) {
    file.close()
    throw error
  }
}

function checkedOptions({
  processLeaseMs = 10_000,
  askTimeoutMs = 250,
  correctableMs = 3_600_000,
  busyTimeoutMs = 5_000,
}: SqliteStoreOptions) {
  if (!(processLeaseMs >= 1_000)) {
    throw new RangeError(`Expected processLeaseMs to be 1,000 or more, got ${processLeaseMs}`)
  }
  if (!(askTimeoutMs >= 0)) throw new RangeError(`Expected askTimeoutMs to be 0 or more, got ${askTimeoutMs}`)
  if (!(busyTimeoutMs >= 0)) throw new RangeError(`Expected busyTimeoutMs to be 0 or more, got ${busyTimeoutMs}`)
  return { processLeaseMs, askTimeoutMs, correctableMs, busyTimeoutMs: Math.floor(busyTimeoutMs) }
}
