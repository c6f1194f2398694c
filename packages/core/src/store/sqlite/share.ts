import { type Amount, minus } from '../amount.ts'
import { type Counter, createCounter, slide, type Slot, used } from '../counter.ts'
import type { Entry } from '../store.ts'

/**
 * What this process has of a key: a slice that it leases, and what it holds and has posted out of it since the file was
 * last told. `used` is at most `leased` but for what was settled above its hold, which is written down at once.
 */
export interface Share extends Counter {
  /** The slice, as the file counts it. */
  leased: Amount
  /** All that counted fitted under this limit when the slice was leased; -1 when it fitted under none. */
  fitsUnder: Amount
  /** What becomes free of it is given back at once. */
  isExact: boolean
  /** Should this process die it is given back, not posted. */
  releases: boolean
  /** When it was leased last, and how much was reserved since. */
  leasedAt: number
  spent: number
}

/** A share of nothing. */
export const createShare = (key: string, windowMs: number = Infinity): Share => ({
  ...createCounter(key, windowMs),
  leased: 0,
  fitsUnder: -1,
  isExact: true,
  releases: true,
  leasedAt: -Infinity,
  spent: 0,
})

/** What of its slice is left to spend. */
export const free = (share: Share): Amount => minus(share.leased, used(share))

/** Whether an entry can be held out of the slice alone. The share has been slid. */
export function hasFree(share: Share, { amount, limit, soft, onExpiry }: Entry): boolean {
  const left = free(share)
  if (left < amount || left <= 0) return false
  if (share.releases && onExpiry !== 'release') return false
  return soft === true || (share.fitsUnder >= 0 && limit >= share.fitsUnder)
}

/** Whether the file has to know at once what changed. */
export function mustTell(share: Share): boolean {
  const left = free(share)
  return left < 0 || (share.isExact && left > 0) || (share.releases && share.posted > 0)
}

/** Whether nothing would be lost by dropping it. */
export function isUnused(share: Share): boolean {
  if (share.leased !== 0) return false
  for (let index = share.head; index < share.slots.length; index++) {
    const { posted, held, open } = share.slots[index]!
    if (open > 0 || posted !== 0 || held !== 0) return false
  }
  return true
}

/** What of a share is posted: moved out of it, slot by slot, with a way to put it all back. */
export function takePosted(share: Share, now: number): { posted: Pick<Slot, 'time' | 'posted'>[]; undo: () => void } {
  slide(share, now)
  const { slots, head, posted: sum, leased } = share
  const taken: { slot: Slot; time: number; posted: Amount }[] = []
  const kept: Slot[] = []
  for (let index = head; index < slots.length; index++) {
    const slot = slots[index]!
    if (slot.posted !== 0) taken.push({ slot, time: slot.time, posted: slot.posted })
    slot.posted = 0
    if (slot.open > 0) kept.push(slot)
  }
  Object.assign(share, { slots: kept, head: 0, posted: 0, leased: minus(leased, sum) })

  function undo() {
    for (const { slot, posted } of taken) slot.posted = posted
    Object.assign(share, { slots, head, posted: sum, leased })
  }
  return { posted: taken, undo }
}

/** How a slice is to be leased. */
export interface Lease {
  /** How much more than is asked for. */
  extra: Amount
  isExact: boolean
}

/** How long what a process leases beyond its need lasts at its pace, in milliseconds. */
const paceMs = 50

/**
 * How much to lease beyond `amount`, when `room` is left after it: what the process spent since the last lease, or in
 * 50 ms of that time; and at most its part of a quarter of the room. So a slice grows from nothing, and no larger than
 * what is lost for 50 ms should the process die. Where that part is less than `amount`, nothing: then every hold is
 * leased, and given back, by itself.
 */
export function sizeLease(share: Share, amount: Amount, room: Amount, { sharers, now }: Pace): Lease {
  const mostExtra = Number(room) / (4 * sharers)
  if (mostExtra < amount) return { extra: 0, isExact: true }
  const pace = share.spent / Math.max(paceMs, now - share.leasedAt)
  return { extra: toAmount(Math.min(pace * paceMs, mostExtra)), isExact: false }
}

interface Pace {
  sharers: number
  now: number
}

function toAmount(number: number): Amount {
  const whole = Math.floor(number)
  return whole <= Number.MAX_SAFE_INTEGER ? whole : BigInt(whole)
}
