import type { Clock } from './clock.ts'
import type { Reply } from './types.ts'

/** From the first call to the last: what a router closes by. */
export interface Lifetime {
  /** Whether `close` was called. */
  readonly isOver: boolean
  /** Counts a call as under way until its reply has ended, or it failed. */
  track(answer: Promise<Reply>): Promise<Reply>
  /** Waits for the calls under way, no longer than this, and then ends. */
  close(timeoutMs: number): Promise<void>
}

/** Makes a lifetime. `end` is told whether every call has ended by itself. */
export function createLifetime(clock: Clock, end: (drained: boolean) => Promise<void>): Lifetime {
  let closing: Promise<void> | undefined
  let underWay = 0
  let onIdle: (() => void) | undefined
  const left = () => {
    if (--underWay === 0) onIdle?.()
  }

  const drained = (timeoutMs: number) =>
    new Promise<boolean>((resolve) => {
      if (underWay === 0) return resolve(true)
      const timer = clock.setTimeout(() => resolve(false), timeoutMs)
      onIdle = () => {
        clock.clearTimeout(timer)
        resolve(true)
      }
    })

  return {
    get isOver() {
      return closing !== undefined
    },
    track(answer) {
      underWay++
      answer.then(({ ended }) => ended.then(left, left), left)
      return answer
    },
    close: (timeoutMs) => (closing ??= drained(timeoutMs).then(end)),
  }
}
