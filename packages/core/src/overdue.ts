import type { Clock, Timer } from './clock.ts'

/** Something that must come to an end by itself, and is given up if it does not. */
export interface Bounded {
  /** On the monotonic clock, in milliseconds. */
  readonly deadline: number
  /** Whether it waits for nothing but itself. */
  readonly isStuck: boolean
  giveUp(): void
  /** Its neighbours among those under way: the list's to write. */
  before?: Bounded | undefined
  behind?: Bounded | undefined
}

/** Gives up what is stuck at its deadline. All that are under way share one timer. */
export interface Overdue {
  add(one: Bounded): void
  delete(one: Bounded): void
  close(): void
}

/** How soon one that was not stuck at its deadline is looked at again. */
const lookAgainMs = 1_000

/** Makes a watch over deadlines. */
export function createOverdue(clock: Clock): Overdue {
  // A list and not a set: every run of a hook goes in and out of it.
  let first: Bounded | undefined
  let timer: Timer | undefined
  let dueMs = Infinity

  function disarm(): void {
    clock.clearTimeout(timer)
    timer = undefined
    dueMs = Infinity
  }

  function arm(atMs: number): void {
    if (atMs >= dueMs) return
    clock.clearTimeout(timer)
    dueMs = atMs
    timer = clock.setTimeout(look, Math.max(0, atMs - clock.now()))
  }

  function look(): void {
    disarm()
    const now = clock.now()
    for (const one of listed()) if (one.deadline <= now && one.isStuck) one.giveUp()
    for (const { deadline } of listed()) arm(deadline <= now ? now + lookAgainMs : deadline)
  }

  function listed(): Bounded[] {
    const all: Bounded[] = []
    for (let one = first; one; one = one.behind) all.push(one)
    return all
  }

  return {
    add(one) {
      one.behind = first
      if (first) first.before = one
      first = one
      arm(one.deadline)
    },
    delete(one) {
      const { before, behind } = one
      if (one === first) first = behind
      else if (before) before.behind = behind
      if (behind) behind.before = before
      one.before = one.behind = undefined
      if (!first) disarm()
    },
    close: disarm,
  }
}
