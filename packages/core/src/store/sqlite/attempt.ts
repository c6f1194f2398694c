import { type Amount, minus, plus } from '../amount.ts'
import { checkWindow } from '../checks.ts'
import { slide, used } from '../counter.ts'
import { refusal } from '../refusal.ts'
import { type Book, openBook } from './book.ts'
import type { CounterRow } from './counters.ts'
import type { OnUndo } from './file.ts'
import type { Desk, ProcessLease } from './process.ts'
import { createShare, type Share, sizeLease } from './share.ts'
import type { LooseSlice, Others } from './slices.ts'
import { standingOf } from './standing.ts'
import type { Entry, Refused } from '../store.ts'

/** What came of trying to lease enough for every entry of a reservation. */
export type Attempted =
  /** Everything is leased, as of `now`; nothing is held yet. */
  | { outcome: 'leased'; now: number }
  | { outcome: 'refused'; refused: Refused }
  /** It may fit once others have given back what they keep free of these keys. */
  | { outcome: 'asked'; keys: readonly string[] }

/** One entry, and what the file and this process know of its key. */
export interface Found {
  entry: Entry
  share: Share
  row: CounterRow | undefined
  others: Others
  /** All that counts, the others' slices in full. */
  total: Amount
}

/** How long nobody keeps anything of a key free after it was asked for, in milliseconds. */
const exactMs = 1_000
/** A key that was refused is looked at before it is tried again for so long, in milliseconds. */
const refusedMs = 1_000
/** How many keys that were refused are remembered. */
const mostRefused = 1_000

/**
 * Leases what the entries need or nothing, in one transaction. `isSilent` says whether a process does not answer: then
 * what it leases counts as held, and it is not asked.
 */
export function createAttempt(desk: Desk, own: ProcessLease, isSilent: (slice: LooseSlice) => boolean) {
  const { file, counters, slices, time, shares } = desk
  const refusedAt = new Map<string, number>()

  return function attempt(entries: readonly Entry[], mayAsk: boolean): Attempted {
    const refused = wasRefused(entries) ? file.read(() => refuseAtOnce(entries, mayAsk)) : undefined
    if (refused !== undefined) return refused
    own.renewIfDue()
    return file.write((onUndo) => leaseAll(entries, mayAsk, onUndo))
  }

  function wasRefused(entries: readonly Entry[]): boolean {
    const now = time.now()
    return refusedAt.size > 0 && entries.some(({ key }) => now < (refusedAt.get(key) ?? -Infinity) + refusedMs)
  }

  /** Refuses what reading alone shows to have no room, so that refusals keep nobody from writing. */
  function refuseAtOnce(entries: readonly Entry[], mayAsk: boolean): Attempted | undefined {
    const now = time.now()
    const found = findAll(entries, now)
    const short = found.filter((one) => !fits(one))
    if (short.length === 0 || (mayAsk && short.every(couldFit))) return undefined
    if (found.some(({ share }) => share.posted !== 0) || slices.dueProcesses(now).length > 0) return undefined
    return refuse(found, now)
  }

  function leaseAll(entries: readonly Entry[], mayAsk: boolean, onUndo: OnUndo): Attempted {
    const now = time.now()
    const book = openBook(desk, own.id(), onUndo)
    let found = findAll(entries, now)
    if (!found.every(fits) && own.endDue(now)) found = findAll(entries, now)
    const short = found.filter((one) => !fits(one))
    if (short.length === 0) {
      for (const one of found) lease(one, { book, now, onUndo })
      return { outcome: 'leased', now }
    }
    if (mayAsk && short.every(couldFit)) return ask(short, now)
    const untold = found.filter(({ share }) => share.posted !== 0)
    for (const { share } of untold) book.tell(share, { now, keepsFree: true })
    return refuse(untold.length === 0 ? found : findAll(entries, now), now)
  }

  function lease({ entry, share, row: old, others, total }: Found, { book, now, onUndo }: Leasing) {
    const { key, amount, limit, soft, onExpiry, forgetAfterMs = Infinity } = entry
    const row = old ?? counters.add(key, share.windowMs, limit)
    const room = soft ? Infinity : minus(minus(limit, total), amount)
    const size = sizeLease(share, amount, room, { sharers: others.count + 1, now })
    const isExact = size.isExact || row.exactUntil > now
    const extra = isExact ? 0 : size.extra
    const releases = onExpiry === 'release' && (share.releases || used(share) === 0)
    const fitsUnder = plus(total, amount) <= limit ? limit : -1
    book.movePosted(share, row, now)
    const leased = plus(plus(share.held, amount), extra)
    Object.assign(share, { limit, forgetAfterMs, usedAt: now })
    book.lease(share, row, { now, leased, isExact, releases, fitsUnder })
    Object.assign(share, { leasedAt: now, spent: 0 })
    if (shares.get(key) === share) return
    shares.set(key, share)
    onUndo(() => shares.delete(key))
  }

  function refuse(found: readonly Found[], now: number): Attempted {
    const entries = found.map(({ entry }) => entry)
    const index = found.findIndex((one) => !fits(one))
    if (refusedAt.size >= mostRefused) refusedAt.clear()
    refusedAt.set(entries[index]!.key, now)
    const refused = refusal(entries, index, (entry) => standingOf(found[entries.indexOf(entry)]!, { counters, now }))
    return { outcome: 'refused', refused }
  }

  function findAll(entries: readonly Entry[], now: number): Found[] {
    return entries.map((entry) => find(entry, now))
  }

  function find(entry: Entry, now: number): Found {
    const row = counters.find(entry.key, now)
    const share = shares.get(entry.key) ?? createShare(entry.key, entry.windowMs)
    checkWindow({ key: entry.key, windowMs: row?.windowMs ?? share.windowMs }, entry.windowMs)
    slide(share, now)
    const others = row === undefined ? nobody : slices.others(row.id, own.id())
    return { entry, share, row, others, total: plus(plus(row?.posted ?? 0, others.held), used(share)) }
  }

  /** Whether there would be room if everyone who answers gave back all. */
  function couldFit({ entry: { amount, limit }, row, total }: Found): boolean {
    if (row === undefined) return false
    let most = plus(total, amount)
    for (const slice of slices.looseOthers(row.id, own.id())) if (!isSilent(slice)) most = minus(most, slice.amount)
    return most <= limit
  }

  function ask(short: readonly Found[], now: number): Attempted {
    const unasked = short.filter(({ row }) => row!.exactUntil <= now)
    for (const { row } of unasked) counters.keepExact(row!, now + exactMs)
    if (unasked.length > 0) slices.ask()
    return { outcome: 'asked', keys: short.map(({ entry }) => entry.key) }
  }
}

interface Leasing {
  book: Book
  now: number
  onUndo: OnUndo
}

const nobody: Others = { held: 0, count: 0 }

const fits = ({ entry: { amount, limit, soft }, total }: Found) => soft === true || plus(total, amount) <= limit
