import type { Clock } from '../clock.ts'
import type { PlacedHook, Ring } from '../order.ts'
import type { HookTime } from '../record.ts'
import type { Attempt, Call, Middleware } from '../types.ts'

/** Makes a middleware write into the call's record how long it took by itself: the time inside `next` is not counted. */
export function timeHook<C extends Call | Attempt>(
  ring: Ring,
  { plugin }: PlacedHook<C>,
  run: Middleware<C>,
  clock: Clock,
): Middleware<C> {
  return async function timedHook(call, next) {
    const { record } = 'call' in call ? call.call : call
    const time: HookTime = { ring, plugin, ms: 0 }
    ;(record.hookTimes ??= []).push(time)
    let since = clock.now()
    let inside = 0
    const stop = () => {
      if (inside === 0) time.ms += clock.now() - since
    }
    try {
      return await run(call, async (inner) => {
        stop()
        inside++
        try {
          return await next(inner)
        } finally {
          if (--inside === 0) since = clock.now()
        }
      })
    } finally {
      stop()
    }
  }
}

/** The times as the header `Server-Timing` holds them, in milliseconds. https://www.w3.org/TR/server-timing/ */
export function serverTiming(times: readonly HookTime[]): string {
  return times
    .map(({ ring, plugin, ms }) => `${ring}.${plugin.replaceAll(/[^\w.-]/g, '_')};dur=${round(ms)}`)
    .join(', ')
}

const round = (ms: number) => Math.round(ms * 1_000) / 1_000
