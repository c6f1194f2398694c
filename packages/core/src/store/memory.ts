import type { Clock } from '../clock.ts'
import { type Amount, minus, plus } from './amount.ts'
import { checkEntry, checkWindow } from './checks.ts'
import { type Counter, createCounter, hold, isIdle, resetMs, slide, timeUntilFits, used } from './counter.ts'
import { createHolds, type Part } from './holds.ts'
import { refusal, type Standing } from './refusal.ts'
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

const granted: Reserved = Object.freeze({ granted: true })

/** A store for one process. What it keeps is bounded by what counts now: idle keys and ended holds are dropped. */
export function createMemoryStore({ clock, correctableMs = 3_600_000 }: MemoryStoreOptions): MemoryStore {
  const counters = new Map<string, Counter>()
  const holds = createHolds(correctableMs)
  let idleSearch = counters.values()

  function reserve({ id, entries, leaseMs }: Reservation): Reserved | Refused {
    const now = begin()
    if (!(leaseMs > 0)) throw new RangeError(`Expected leaseMs to be above 0, got ${leaseMs}`)
    if (holds.get(id) !== undefined) throw new RangeError(`The id ${id} is already in use`)
    for (let index = 0; index < entries.length; index++) {
      checkEntry(entries, index)
      if (!hasRoom(entries[index]!, now)) return refusal(entries, index, (entry) => standingOf(entry, now))
    }
    const parts: Part[] = []
    for (const entry of entries) parts.push(take(entry, now))
    holds.add(id, parts, now + leaseMs)
    searchIdle(entries.length + 1, now)
    return granted
  }

  function settle(id: string, amounts: readonly Amount[]): Settlement {
    const now = begin()
    const found = holds.get(id)
    return found === undefined ? 'unknown' : holds.settle(found, amounts, now)
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
    return holds.takeUntold()
  }

  /** Every verb begins by ending the leases that are due, so that each sees the world as of now. */
  function begin(): number {
    const now = clock.now()
    holds.endDue(now)
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

  function standingOf({ key, amount, limit, windowMs }: Entry, now: number): Standing {
    const counter = counters.get(key)
    if (counter === undefined) return { left: limit, resetMs: 0, untilFitsMs: 0 }
    checkWindow(counter, windowMs)
    slide(counter, now)
    return {
      left: minus(limit, used(counter)),
      resetMs: resetMs(counter, now),
      untilFitsMs: timeUntilFits(counter, amount, limit, now),
    }
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

  return {
    scope: 'process',
    sharers: () => 1,
    reserve,
    settle,
    release,
    read,
    sweep,
    size: () => ({ keys: counters.size, ...holds.size() }),
  }
}
