import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Timer } from './clock.ts'
import { createTimerHeap, type HeapTimer } from './timer-heap.ts'

export interface FakeClockOptions {
  /** Milliseconds since the Unix epoch at the start. @default Date.UTC(2026, 0, 1) */
  wallTime?: number
  /** Turns of the event loop that promises and I/O get before and after each timer; 1 is enough without I/O. @default 3 */
  turns?: number
}

/** A clock that stands still until it is told to move. */
export interface FakeClock extends Clock {
  /**
   * Moves time on by `durationMs`, running every timer that falls due, in order of time and then of creation.
   * Before the first timer and after each, pending promises and I/O callbacks get their turn, so that a timer
   * which they set is seen. Rejects with what a timer throws; time then stands at that timer.
   */
  advance(durationMs: number): Promise<void>
  /** The same at once, with no turn for promises: for simulations with millions of timers. */
  advanceSync(durationMs: number): void
  /** Gives pending promises and I/O callbacks a turn without moving time. */
  settle(): Promise<void>
  /** How many timers wait. */
  pendingTimers(): number
  /** Makes the wall clock jump by `durationMs` (may be negative); `now()` and the timers do not notice. */
  jumpWallTime(durationMs: number): void
}

const maxTimersWithoutDelay = 100_000

/**
 * Makes a clock for tests: `now()` starts at 0 and moves only by `advance` and `advanceSync`.
 *
 * @example
 * const clock = createFakeClock()
 * let fired = false
 * clock.setTimeout(() => { fired = true }, 30_000)
 * await clock.advance(30_000)
 * // fired is true, clock.now() is 30_000
 */
export function createFakeClock(options: FakeClockOptions = {}): FakeClock {
  const heap = createTimerHeap()
  const { turns = 3 } = options
  let now = 0
  let wallTimeOffset = options.wallTime ?? Date.UTC(2026, 0, 1)
  let sequence = 0
  let timersWithoutDelay = 0
  let countedAt = 0

  return {
    now: () => now,
    wallTime: () => wallTimeOffset + now,
    setTimeout(run, delayMs): Timer {
      const dueAt = delayMs > 0 ? now + delayMs : now
      const timer: HeapTimer = { dueAt, createdAt: now, sequence: (sequence += 1), run }
      heap.add(timer)
      return timer
    },
    clearTimeout(timer) {
      if (timer) heap.clear(timer as HeapTimer)
    },
    async advance(durationMs) {
      const end = endOf(durationMs)
      await settle()
      while (runNextUntil(end)) await settle()
      now = Math.max(now, end)
    },
    advanceSync(durationMs) {
      const end = endOf(durationMs)
      while (runNextUntil(end));
      now = Math.max(now, end)
    },
    settle,
    pendingTimers: () => heap.size(),
    jumpWallTime(durationMs) {
      wallTimeOffset += durationMs
    },
  }

  async function settle() {
    for (let turn = 0; turn < turns; turn += 1) await nextTurn()
  }

  function endOf(durationMs: number): number {
    if (!(durationMs >= 0)) throw new RangeError(`a clock advances by 0 ms or more, got ${durationMs}`)
    return now + durationMs
  }

  function runNextUntil(end: number): boolean {
    const timer = heap.first()
    if (!timer?.run || timer.dueAt > end) return false
    const run = timer.run
    heap.removeFirst()
    timer.run = undefined
    countWithoutDelay(timer)
    now = Math.max(now, timer.dueAt)
    run()
    return true
  }

  function countWithoutDelay(timer: HeapTimer) {
    const isInRow = timer.createdAt === timer.dueAt && timer.dueAt === countedAt
    timersWithoutDelay = isInRow ? timersWithoutDelay + 1 : 0
    countedAt = timer.dueAt
    if (timersWithoutDelay > maxTimersWithoutDelay) {
      throw new Error(`${maxTimersWithoutDelay} timers without a delay ran in a row: does one set itself again?`)
    }
  }
}
