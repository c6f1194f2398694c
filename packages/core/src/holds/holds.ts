import type { Clock } from '../clock.ts'

/** Why something is held, and until when on the monotonic clock. */
export interface Hold<Reason> {
  readonly untilMs: number
  readonly reason: Reason
}

/** Keeps calls away from what has said that it will not serve them for a time. */
export interface Holds<Reason> {
  /** Holds a key for so many milliseconds. A later hold never shortens an earlier one. */
  hold(key: string, forMs: number, reason: Reason): void
  /** The hold on a key, while it lasts. */
  find(key: string): Hold<Reason> | undefined
  /** Lets a key go. */
  release(key: string): void
}

/** No timers: a hold ends by itself when someone asks after its time. */
export function createHolds<Reason>(clock: Clock): Holds<Reason> {
  const held = new Map<string, Hold<Reason>>()
  return {
    hold(key, forMs, reason) {
      const untilMs = clock.now() + forMs
      const before = held.get(key)
      if (!before || before.untilMs < untilMs) held.set(key, { untilMs, reason })
    },
    find(key) {
      if (held.size === 0) return undefined
      const hold = held.get(key)
      if (hold && hold.untilMs > clock.now()) return hold
      if (hold) held.delete(key)
      return undefined
    },
    release: (key) => void held.delete(key),
  }
}
