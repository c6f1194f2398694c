import type { Clock, Timer } from '../clock.ts'
import { type Listed, Roster } from '../roster.ts'

/** Something that must come to an end by itself, and is given up if it does not. */
export interface Bounded extends Listed {
  /** On the monotonic clock, in milliseconds. It may change. */
  readonly deadline: number
  /** Whether it waits for nothing but itself. */
  readonly isStuck: boolean
  giveUp(): void
}

/** Gives up what is stuck at its deadline. All that are under way share one timer. */
export interface Overdue {
  add(one: Bounded): void
  /** Takes note that the deadline of one may be sooner now. A later one needs no note. */
  hasten(one: Bounded): void
  delete(one: Bounded): void
  close(): void
}

/** How soon one that was not stuck at its deadline is looked at again. */
const lookAgainMs = 1_000

/** Makes a watch over deadlines. */
export function createOverdue(clock: Clock): Overdue {
  const underWay = new Roster<Bounded>()
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
    for (const one of underWay) if (one.deadline <= now && one.isStuck) one.giveUp()
    for (const { deadline } of underWay) arm(deadline <= now ? now + lookAgainMs : deadline)
  }

  return {
    add(one) {
      underWay.add(one)
      arm(one.deadline)
    },
    hasten: ({ deadline }) => arm(deadline),
    delete(one) {
      if (underWay.delete(one) && underWay.size === 0) disarm()
    },
    close: disarm,
  }
}
