import { type Clock, createKeepAlive } from './clock.ts'
import { type Listed, Roster } from './roster.ts'

/** How a caller ends its call: by a controller of its own, which is then the call's too, or by a signal. */
interface Caller {
  readonly end?: AbortController
  readonly signal?: AbortSignal | undefined
}

/** A call that has begun and not ended. */
interface Active extends Listed {
  /** Aborted when the caller leaves, or when the router cuts what takes too long. */
  readonly end: AbortController
  /** The call has ended. */
  left(): void
}

/** From the first call to the last: what a router closes by. */
export interface Lifetime {
  /** Whether `close` was called. */
  readonly isOver: boolean
  /** Takes note of a call, until it has left. */
  enter(caller: Caller): Active
  /** Waits for the calls under way, cuts those that take longer than this for the reason given, and then ends. */
  close(timeoutMs: number, reason: () => unknown): Promise<void>
}

/** Makes a lifetime. `end` is told whether every call has ended. */
export function createLifetime(clock: Clock, end: (drained: boolean) => Promise<void>): Lifetime {
  const active = new Roster<Active>()
  // A call may wait for a timer alone, as before it is tried again, and no timer of a clock keeps the process alive.
  const keepAlive = createKeepAlive()
  let closing: Promise<void> | undefined
  let onIdle: (() => void) | undefined

  const drained = (timeoutMs: number) =>
    new Promise<boolean>((resolve) => {
      if (active.size === 0) return resolve(true)
      const timer = clock.setTimeout(() => resolve(false), timeoutMs)
      onIdle = () => {
        clock.clearTimeout(timer)
        resolve(true)
      }
    })

  async function close(timeoutMs: number, reason: () => unknown): Promise<void> {
    if (await drained(timeoutMs)) return end(true)
    for (const call of active) call.end.abort(reason())
    await new Promise((resolve) => setImmediate(resolve))
    return end(active.size === 0)
  }

  return {
    get isOver() {
      return closing !== undefined
    },
    enter({ signal, end: controller = new AbortController() }) {
      const unfollow = signal && signal !== controller.signal && follow(signal, controller)
      const one: Active = {
        place: -1,
        end: controller,
        left() {
          if (unfollow) unfollow()
          if (!active.delete(one) || active.size > 0) return
          keepAlive.stop()
          onIdle?.()
        },
      }
      active.add(one)
      keepAlive.start()
      return one
    },
    close: (timeoutMs, reason) => (closing ??= close(timeoutMs, reason).finally(keepAlive.end)),
  }
}

/** Aborts a controller with a signal, until it is told not to. */
function follow(signal: AbortSignal, end: AbortController): () => void {
  const leave = () => end.abort(signal.reason)
  if (signal.aborted) leave()
  else signal.addEventListener('abort', leave, { once: true })
  return () => signal.removeEventListener('abort', leave)
}
