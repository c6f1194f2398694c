import type { Clock } from '../clock.ts'
import { type Amount, minus, plus } from './amount.ts'
import { checkEntry, checkSettlement, checkWindow } from './checks.ts'
import {
  close,
  type Counter,
  createCounter,
  hold,
  isIdle,
  post,
  resetMs,
  slide,
  type Slot,
  timeUntilFits,
  used,
} from './counter.ts'
import { createLeases, type Lease } from './leases.ts'
import type { Entry, Expired, Reading, Refused, Reservation, Reserved, Settlement, Store } from './store.ts'

/** A {@link Store} that answers at once. */
export interface MemoryStore extends Store {
  readonly scope: 'process'
  reserve(reservation: Reservation): Reserved | Refused
  settle(id: string, amounts: readonly Amount[]): Settlement
  release(id: string): Settlement
  read(keys: readonly string[]): readonly Reading[]
  sweep(): readonly Expired[]
  /** How much it keeps: what counts, what is held or was when it expired, and what was settled lately. */
  size(): { keys: number; holds: number; settled: number }
}

export interface MemoryStoreOptions {
  /** Its `now` is the time that counts. */
  clock: Clock
  /** How long an expired hold may still be corrected, in milliseconds. @default 3,600,000 */
  correctableMs?: number
}

interface Part {
  counter: Counter
  slot: Slot
  /** Posted or, until then, held. */
  amount: Amount
  releasesOnExpiry: boolean
}

interface Hold extends Lease {
  id: string
  state: 'held' | 'expired' | 'settled'
  parts: readonly Part[]
}

/** The holds settled last are remembered, to tell a repetition from a mistake. */
const mostSettledRemembered = 1_024
/** Expired holds that nobody asked for; the oldest are no longer told of. */
const mostUntoldExpired = 10_000
const granted: Reserved = Object.freeze({ granted: true })

/** A store for one process. What it keeps is bounded by what counts now: idle keys and ended holds are dropped. */
export function createMemoryStore({ clock, correctableMs = 3_600_000 }: MemoryStoreOptions): MemoryStore {
  if (!(correctableMs >= 0)) throw new RangeError(`Expected correctableMs to be 0 or more, got ${correctableMs}`)
  const counters = new Map<string, Counter>()
  const holds = new Map<string, Hold>()
  const leases = createLeases<Hold>()
  const settledIds: string[] = []
  let settledCount = 0
  let untold: Hold[] = []
  let idleSearch = counters.values()

  function reserve({ id, entries, leaseMs }: Reservation): Reserved | Refused {
    const now = begin()
    if (!(leaseMs > 0)) throw new RangeError(`Expected leaseMs to be above 0, got ${leaseMs}`)
    if (holds.get(id) !== undefined) throw new RangeError(`The id ${id} is already in use`)
    for (let index = 0; index < entries.length; index++) {
      checkEntry(entries, index)
      if (!hasRoom(entries[index]!, now)) return refusal(entries, index, now)
    }
    const parts: Part[] = []
    for (const entry of entries) parts.push(take(entry, now))
    const taken: Hold = { id, state: 'held', parts, endsAt: now + leaseMs, done: false }
    holds.set(id, taken)
    leases.push(taken)
    searchIdle(entries.length + 1, now)
    return granted
  }

  function settle(id: string, amounts: readonly Amount[]): Settlement {
    const now = begin()
    const found = holds.get(id)
    if (found === undefined) return 'unknown'
    checkSettlement(found, amounts)
    if (found.state === 'settled') return 'repeated'
    const settlement = found.state === 'expired' ? 'corrected' : 'settled'
    for (let index = 0; index < amounts.length; index++) repost(found, index, amounts[index]!, now)
    finish(found)
    return settlement
  }

  function release(id: string): Settlement {
    const found = holds.get(id)
    return found === undefined
      ? 'unknown'
      : settle(
          id,
          found.parts.map(() => 0),
        )
  }

  function read(keys: readonly string[]): readonly Reading[] {
    const now = begin()
    return keys.map((key) => {
      const counter = counters.get(key)
      if (counter === undefined) return { posted: 0, held: 0, remaining: undefined, resetMs: undefined }
      slide(counter, now)
      const { posted, held, limit } = counter
      return { posted, held, remaining: minus(limit, used(counter)), resetMs: resetMs(counter, now) }
    })
  }

  function sweep(): readonly Expired[] {
    const now = begin()
    for (const counter of counters.values()) dropIfIdle(counter, now)
    const told = untold.filter((expired) => expired.state === 'expired')
    untold = []
    return told.map(({ id, parts }) => ({ id, amounts: parts.map((part) => part.amount) }))
  }

  /** Every verb begins by ending the leases that are due, so that each sees the world as of now. */
  function begin(): number {
    const now = clock.now()
    for (let ended = leases.takeEnded(now); ended !== undefined; ended = leases.takeEnded(now)) {
      if (ended.state === 'held') expire(ended, now)
      else forget(ended)
    }
    return now
  }

  function hasRoom({ key, amount, limit, soft, windowMs }: Entry, now: number): boolean {
    const counter = counters.get(key)
    if (counter === undefined) return soft === true || amount <= limit
    checkWindow(counter, windowMs)
    slide(counter, now)
    return soft === true || plus(used(counter), amount) <= limit
  }

  function take({ key, amount, limit, windowMs, onExpiry, forgetAfterMs }: Entry, now: number): Part {
    let counter = counters.get(key)
    if (counter === undefined) counters.set(key, (counter = createCounter(key, windowMs)))
    counter.limit = limit
    counter.usedAt = now
    counter.forgetAfterMs = forgetAfterMs ?? Infinity
    return { counter, slot: hold(counter, amount, now), amount, releasesOnExpiry: onExpiry === 'release' }
  }

  function refusal(entries: readonly Entry[], index: number, now: number): Refused {
    const { key, limit } = entries[index]!
    const counter = counters.get(key)
    const left = counter === undefined ? limit : minus(limit, used(counter))
    let retryAfterMs = 0
    let never = false
    for (let other = index; other < entries.length; other++) {
      const entry = checkEntry(entries, other)
      if (entry.soft) continue
      never ||= entry.amount > entry.limit
      retryAfterMs = Math.max(retryAfterMs, timeUntilRoom(entry, now))
    }
    return {
      granted: false,
      index,
      key,
      limit,
      remaining: left > 0 ? left : 0,
      resetMs: counter === undefined ? 0 : resetMs(counter, now),
      retryAfterMs: never || retryAfterMs === Infinity ? undefined : retryAfterMs,
      never,
    }
  }

  function timeUntilRoom({ key, amount, limit, windowMs }: Entry, now: number): number {
    const counter = counters.get(key)
    if (counter === undefined) return 0
    checkWindow(counter, windowMs)
    slide(counter, now)
    return timeUntilFits(counter, amount, limit, now)
  }

  function expire(ended: Hold, now: number) {
    ended.state = 'expired'
    for (const part of ended.parts) {
      const posted = part.releasesOnExpiry ? 0 : part.amount
      post(part.counter, part.slot, part.amount, posted)
      part.amount = posted
    }
    untold.push(ended)
    if (untold.length > mostUntoldExpired) untold.shift()
    ended.endsAt = now + correctableMs
    leases.push(ended)
  }

  function forget(ended: Hold) {
    holds.delete(ended.id)
    for (const { counter, slot } of ended.parts) close(counter, slot)
  }

  /** Replaces what one part of a hold holds or has posted. */
  function repost(found: Hold, index: number, amount: Amount, now: number) {
    const part = found.parts[index]!
    const { counter, slot } = part
    if (found.state === 'expired') post(counter, slot, 0, minus(amount, part.amount))
    else post(counter, slot, part.amount, amount)
    close(counter, slot)
    counter.usedAt = now
    part.amount = amount
  }

  function finish(found: Hold) {
    found.state = 'settled'
    leases.markDone(found)
    const place = settledCount++ % mostSettledRemembered
    const oldest = settledIds[place]
    if (oldest !== undefined) holds.delete(oldest)
    settledIds[place] = found.id
  }

  /** Looks at more keys than a reservation can add, so that they cannot outgrow the search. */
  function searchIdle(keys: number, now: number) {
    for (let looked = 0; looked < keys; looked++) {
      const next = idleSearch.next()
      if (next.done) idleSearch = counters.values()
      else dropIfIdle(next.value, now)
    }
  }

  function dropIfIdle(counter: Counter, now: number) {
    slide(counter, now)
    if (isIdle(counter, now)) counters.delete(counter.key)
  }

  function size() {
    const settled = Math.min(settledCount, mostSettledRemembered)
    return { keys: counters.size, holds: holds.size - settled, settled }
  }

  return { scope: 'process', reserve, settle, release, read, sweep, size }
}
