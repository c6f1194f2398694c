import { type Amount, minus, plus } from './amount.ts'

/** What was reserved within one grain of time under one key, as far as it still counts. */
export interface Slot {
  /** The end of the grain, a whole number; 0 in a counter that never slides. */
  time: number
  posted: Amount
  held: Amount
  /** How many holds may still change it. */
  open: number
  /** It has left the window: what becomes of its holds no longer counts. */
  gone: boolean
}

/** What counts under one key. `posted` and `held` are the sums over the slots from `head` on. */
export interface Counter {
  key: string
  /** Infinity for one that never slides. */
  windowMs: number
  /** Times are rounded up to it, and what has the same time shares a slot. */
  grainMs: number
  /** The limit last given; only for reading. */
  limit: Amount
  posted: Amount
  held: Amount
  slots: Slot[]
  head: number
  /** Unused for so long, it may be dropped although something is posted. */
  forgetAfterMs: number
  usedAt: number
}

/**
 * Times are whole milliseconds, or 1/65,536 of a window longer than that, rounded up: what was reserved never leaves
 * the window early, and leaves it at most one grain late. So a month of any traffic keeps at most 65,537 slots.
 */
const slotsInWindow = 65_536

/** A counter of nothing. Without a window every reservation shares one slot that never leaves. */
export function createCounter(key: string, windowMs: number = Infinity): Counter {
  const grainMs = Math.ceil(windowMs / slotsInWindow)
  return {
    key,
    windowMs,
    grainMs,
    limit: 0,
    posted: 0,
    held: 0,
    slots: [],
    head: 0,
    forgetAfterMs: Infinity,
    usedAt: 0,
  }
}

/** Lets go of what has left the window. Every other function here expects it to have been called for this instant. */
export function slide(counter: Counter, now: number): void {
  const { slots, windowMs } = counter
  for (let slot = slots[counter.head]; slot !== undefined && slot.time + windowMs <= now; slot = slots[counter.head]) {
    counter.posted = minus(counter.posted, slot.posted)
    counter.held = minus(counter.held, slot.held)
    slot.gone = true
    counter.head++
  }
  if (counter.head > 0) dropHead(counter)
}

/** Holds an amount from now on, and gives the slot it went to. */
export function hold(counter: Counter, amount: Amount, now: number): Slot {
  const slot = slotFor(counter, now)
  slot.open++
  slot.held = plus(slot.held, amount)
  counter.held = plus(counter.held, amount)
  return slot
}

/** Turns what is held in a slot into what is posted. */
export function post(counter: Counter, slot: Slot, held: Amount, posted: Amount): void {
  if (slot.gone) return
  slot.held = minus(slot.held, held)
  counter.held = minus(counter.held, held)
  slot.posted = plus(slot.posted, posted)
  counter.posted = plus(counter.posted, posted)
}

/** One hold fewer may change the slot; an empty one at the end of the log goes at once. */
export function close(counter: Counter, slot: Slot): void {
  slot.open--
  if (slot.open > 0 || slot.gone || slot !== counter.slots.at(-1)) return
  if (slot.held === 0 && slot.posted === 0) {
    slot.gone = true
    counter.slots.pop()
  }
}

/** Posted and held together. */
export const used = (counter: Counter): Amount => plus(counter.posted, counter.held)

/** Milliseconds until so much more would fit under the limit if nothing else came; Infinity when it takes a release. */
export function timeUntilFits(counter: Counter, amount: Amount, limit: Amount, now: number): number {
  let excess = minus(plus(used(counter), amount), limit)
  for (let index = counter.head; index < counter.slots.length; index++) {
    if (excess <= 0) return 0
    const slot = counter.slots[index]!
    excess = minus(minus(excess, slot.posted), slot.held)
    if (excess <= 0) return slot.time + counter.windowMs - now
  }
  return excess <= 0 ? 0 : Infinity
}

/** Milliseconds until nothing counts any more; undefined when it never slides. */
export function resetMs(counter: Counter, now: number): number | undefined {
  if (counter.windowMs === Infinity) return undefined
  for (let index = counter.slots.length - 1; index >= counter.head; index--) {
    const { time, posted, held } = counter.slots[index]!
    if (posted > 0 || held > 0) return time + counter.windowMs - now
  }
  return 0
}

/** Whether nothing would be lost by dropping it. */
export function isIdle(counter: Counter, now: number): boolean {
  if (counter.slots.length === counter.head) return true
  return now >= counter.usedAt + counter.forgetAfterMs && counter.slots.every((slot) => slot.open === 0)
}

function slotFor(counter: Counter, now: number): Slot {
  const { slots, head, grainMs } = counter
  const time = grainMs === Infinity ? 0 : Math.ceil(now / grainMs) * grainMs
  const newest = slots.length > head ? slots[slots.length - 1] : undefined
  if (newest?.time === time) return newest
  const slot: Slot = { time, posted: 0, held: 0, open: 0, gone: false }
  slots.push(slot)
  return slot
}

/** Frees the slots that have left, many at once, but before they are more than an eighth of all. */
function dropHead(counter: Counter) {
  const { slots, head } = counter
  if (head < slots.length && (head < 64 || head * 8 < slots.length)) return
  slots.splice(0, head)
  counter.head = 0
}
