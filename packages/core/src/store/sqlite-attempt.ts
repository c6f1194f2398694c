import { type Amount, minus, plus } from './amount.ts'
import { checkWindow } from './checks.ts'
import { slide, used } from './counter.ts'
import { refusal } from './refusal.ts'
import { openBook } from './sqlite-book.ts'
import type { CounterRow } from './sqlite-counters.ts'
import type { Desk, ProcessLease } from './sqlite-process.ts'
import { createShare, type Share, sizeLease } from './sqlite-share.ts'
import type { LooseSlice, Others } from './sqlite-slices.ts'
import { standingOf } from './sqlite-standing.ts'
import type { Entry, Refused } from './store.ts'

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

/**
 * Leases what the entries need or nothing, in one transaction. `isSilent` says whether a process does not answer: then
 * what it leases counts as held, and it is not asked.
 */
export function createAttempt(desk: Desk, own: ProcessLease, isSilent: (slice: LooseSlice) => boolean) {
  const { file, counters, slices, time, shares } = desk

  return function attempt(entries: readonly Entry[], mayAsk: boolean): Attempted {
    own.renewIfDue()
    return file.write((onUndo) => {
      const now = time.now()
      const book = openBook(desk, own.id(), onUndo)
      let found = entries.map((entry) => find(entry, now))
      if (!found.every(fits) && own.endDue(now)) found = entries.map((entry) => find(entry, now))
      const short = found.filter((one) => !fits(one))
      if (short.length === 0) {
        for (const one of found) lease(one)
        return { outcome: 'leased', now }
      }
      if (mayAsk && short.every(couldFit)) return ask(short, now)
      const untold = found.filter(({ share }) => share.posted !== 0)
      for (const { share } of untold) book.tell(share, { now, keepsFree: true })
      return {
        outcome: 'refused',
        refused: refuse(untold.length === 0 ? found : entries.map((entry) => find(entry, now))),
      }

      function lease({ entry, share, row: old, others, total }: Found) {
        const { amount, limit, soft, onExpiry } = entry
        const row = old ?? counters.add(entry.key, share.windowMs, limit)
        const room = soft ? Infinity : minus(minus(limit, total), amount)
        const size = sizeLease(share, amount, room, { sharers: others.count + 1, now })
        const isExact = size.isExact || row.exactUntil > now
        const extra = isExact ? 0 : size.extra
        const releases = onExpiry === 'release' && (share.releases || used(share) === 0)
        const fitsUnder = plus(total, amount) <= limit ? limit : -1
        book.movePosted(share, row, now)
        const leased = plus(plus(share.held, amount), extra)
        share.limit = limit
        book.lease(share, row, { now, leased, isExact, releases, fitsUnder })
        Object.assign(share, { leasedAt: now, spent: 0 })
        remember(share)
      }

      function remember(share: Share) {
        if (shares.get(share.key) === share) return
        shares.set(share.key, share)
        onUndo(() => shares.delete(share.key))
      }

      function refuse(all: readonly Found[]): Refused {
        const index = all.findIndex((one) => !fits(one))
        return refusal(entries, index, (entry) => standingOf(all[entries.indexOf(entry)]!, { counters, now }))
      }
    })
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

const nobody: Others = { held: 0, count: 0 }

const fits = ({ entry: { amount, limit, soft }, total }: Found) => soft === true || plus(total, amount) <= limit
