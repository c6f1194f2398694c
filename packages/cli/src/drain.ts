import type { Server } from 'node:http'
import { type Router, systemClock } from '@signalbox/core'

/** How long calls that were cut may take to tell their callers. */
const cutMs = 2_000
/** How long a caller may take to read the last bytes. */
const flushMs = 1_000

/**
 * Ends a server: new calls are refused while those under way go on, for `drainMs` at the most. Then they are cut, and
 * every connection is closed. The server listens until then, so that its callers are told to come back later.
 */
export async function drain(server: Server, router: Router, drainMs: number): Promise<void> {
  await within(drainMs + cutMs, router.close({ timeoutMs: drainMs }))
  await within(flushMs, new Promise((resolve) => server.close(resolve)))
  server.closeAllConnections()
}

/** Waits for something, but no longer than that. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof systemClock.setTimeout> | undefined
  const late = new Promise((resolve) => (timer = systemClock.setTimeout(() => resolve(undefined), milliseconds)))
  await Promise.race([work, late])
  systemClock.clearTimeout(timer)
}
