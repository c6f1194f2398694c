import { BusyMap } from '../busy-map.ts'
import { type Amount, minus } from './amount.ts'
import { checkSettlement } from './checks.ts'
import { close, type Counter, post, type Slot } from './counter.ts'
import { createLeases, type Lease } from './leases.ts'
import type { Expired, Settlement } from './store.ts'

/** What one entry of a reservation took. */
export interface Part<C extends Counter = Counter> {
  counter: C
  slot: Slot
  /** Posted or, until then, held. */
  amount: Amount
  releasesOnExpiry: boolean
}

/** What a reservation took, under its id. */
interface Hold<C extends Counter = Counter> extends Lease {
  id: string
  state: 'held' | 'expired' | 'settled'
  parts: readonly Part<C>[]
}

/** The holds of one process, over counters it keeps in memory. */
export interface Holds<C extends Counter> {
  get(id: string): Hold<C> | undefined
  add(id: string, parts: readonly Part<C>[], endsAt: number): void
  /** Posts what was used; nothing for one that was settled before with the same amounts, and throws for other amounts. */
  settle(hold: Hold<C>, amounts: readonly Amount[], now: number): Settlement
  /** Ends the leases that are due. Everything else expects it to have been called for this instant. */
  endDue(now: number): void
  /** The holds that expired, were not corrected and were not told of before. */
  takeUntold(): readonly Expired[]
  clear(): void
  size(): { holds: number; settled: number }
}

/**
 * The holds settled last are remembered, to tell a repetition from a mistake. Not more of them: what lives on for some
 * hundred calls is copied by every collection of garbage.
 */
const mostSettledRemembered = 256
/** Expired holds that nobody asked for; the oldest are no longer told of. */
const mostUntoldExpired = 10_000

/** `correctableMs` is how long an expired hold may still be corrected. */
export function createHolds<C extends Counter>(correctableMs: number): Holds<C> {
  if (!(correctableMs >= 0)) throw new RangeError(`Expected correctableMs to be 0 or more, got ${correctableMs}`)
  const holds = new BusyMap<string, Hold<C>>()
  let leases = createLeases<Hold<C>>()
  let settledIds: string[] = []
  let settledCount = 0
  let untold: Hold<C>[] = []

  function add(id: string, parts: readonly Part<C>[], endsAt: number) {
    const taken: Hold<C> = { id, state: 'held', parts, endsAt, done: false }
    holds.set(id, taken)
    leases.push(taken)
  }

  function settle(hold: Hold<C>, amounts: readonly Amount[], now: number): Settlement {
    checkSettlement(hold, amounts)
    if (hold.state === 'settled') return 'repeated'
    const settlement = hold.state === 'expired' ? 'corrected' : 'settled'
    for (let index = 0; index < amounts.length; index++) repost(hold, index, amounts[index]!, now)
    finish(hold)
    return settlement
  }

  /** Replaces what one part of a hold holds or has posted. */
  function repost(hold: Hold<C>, index: number, amount: Amount, now: number) {
    const part = hold.parts[index]!
    const { counter, slot } = part
    if (hold.state === 'expired') post(counter, slot, 0, minus(amount, part.amount))
    else post(counter, slot, part.amount, amount)
    close(counter, slot)
    counter.usedAt = now
    part.amount = amount
  }

  function finish(hold: Hold<C>) {
    hold.state = 'settled'
    leases.markDone(hold)
    const place = settledCount++ % mostSettledRemembered
    const oldest = settledIds[place]
    if (oldest !== undefined) holds.delete(oldest)
    settledIds[place] = hold.id
  }

  function endDue(now: number) {
    for (let ended = leases.takeEnded(now); ended !== undefined; ended = leases.takeEnded(now)) {
      if (ended.state === 'held') expire(ended, now)
      else forget(ended)
    }
  }

  function expire(ended: Hold<C>, now: number) {
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

  function forget(ended: Hold<C>) {
    holds.delete(ended.id)
    for (const { counter, slot } of ended.parts) close(counter, slot)
  }

  function takeUntold(): readonly Expired[] {
    const told = untold.filter((expired) => expired.state === 'expired')
    untold = []
    return told.map(({ id, parts }) => ({ id, amounts: parts.map((part) => part.amount) }))
  }

  function clear() {
    holds.clear()
    leases = createLeases()
    settledIds = []
    settledCount = 0
    untold = []
  }

  function size() {
    const settled = Math.min(settledCount, mostSettledRemembered)
    return { holds: holds.size - settled, settled }
  }

  return { get: (id) => holds.get(id), add, settle, endDue, takeUntold, clear, size }
}
