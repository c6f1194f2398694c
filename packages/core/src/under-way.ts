/** A call that has begun and not ended. */
export interface Active {
  /** Aborted when the caller leaves, or when all calls are cut. */
  readonly end: AbortController
  /** The call has ended. */
  left(): void
}

/** The calls that have begun and not ended. */
export interface UnderWay {
  /** Takes note of a call; it ends with the signal, where there is one. */
  enter(signal: AbortSignal | undefined): Active
  /** Settles when none is left. */
  idle(): Promise<void>
  /** Ends all of them, for this reason. */
  cut(reason: unknown): void
}

/** Keeps count of calls, so that a router can be closed. */
export function createUnderWay(): UnderWay {
  const active = new Set<Active>()
  let onIdle: (() => void)[] = []

  return {
    enter(signal) {
      const end = new AbortController()
      const leave = () => end.abort(signal!.reason)
      if (signal?.aborted) leave()
      else signal?.addEventListener('abort', leave, { once: true })
      const one = {
        end,
        left() {
          signal?.removeEventListener('abort', leave)
          if (!active.delete(one) || active.size > 0) return
          for (const settle of onIdle) settle()
          onIdle = []
        },
      }
      active.add(one)
      return one
    },
    idle: () => (active.size === 0 ? Promise.resolve() : new Promise((resolve) => onIdle.push(resolve))),
    cut(reason) {
      for (const { end } of active) end.abort(reason)
    },
  }
}
