import type { Clock } from '../clock.ts'
import type { Gate, Shortage } from './types.ts'

/** Lets those who waited for a pause to end come back by and by, so that the first to be limited again stops the rest. */
export interface SlowStart {
  /** Stops everyone until the pause that `pausedUntilMs` tells of is over, and most of them a little longer. */
  gate(group: string, pausedUntilMs: () => number | undefined): Gate
  /** Whether a pause of the group is remembered, so that asking can be left out. */
  knows(group: string): boolean
}

/** In this time the number of calls that may have come back doubles. */
const doublingMs = 250
/** Nobody waits for so many: the start is over. */
const everyone = 16_384

/** After a pause one call goes first; the number that may have followed doubles every quarter of a second. */
export function createSlowStart({ clock }: { clock: Clock }): SlowStart {
  const starts = new Map<string, { atMs: number; passed: number }>()

  function check(group: string, pausedUntilMs: number | undefined): Shortage | undefined {
    if (pausedUntilMs !== undefined) {
      starts.set(group, { atMs: pausedUntilMs, passed: 0 })
      return shortFor(pausedUntilMs - clock.now())
    }
    const start = starts.get(group)
    if (start === undefined) return undefined
    const allowed = Math.floor(2 ** ((clock.now() - start.atMs) / doublingMs))
    if (allowed >= everyone) starts.delete(group)
    if (start.passed < allowed) return undefined
    return shortFor(start.atMs + doublingMs * Math.log2(start.passed + 1) - clock.now())
  }

  function pass(group: string) {
    const start = starts.get(group)
    if (start !== undefined) start.passed++
  }

  return {
    gate: (group, pausedUntilMs) => ({ group, check: () => check(group, pausedUntilMs()), pass: () => pass(group) }),
    knows: (group) => starts.has(group),
  }
}

const shortFor = (retryAfterMs: number): Shortage => ({
  kind: 'requests',
  limit: 0,
  remaining: 0,
  resetMs: retryAfterMs,
  retryAfterMs,
})
