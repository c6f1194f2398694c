import { setImmediate as nextTurn, setTimeout as realDelay } from 'node:timers/promises'

/**
 * Gives the other side time to read what was written: a millisecond, and two turns of the event loop, which have a
 * poll for input between them, so that a reader in this process has read. A reader in Node that finds data and a
 * reset together reports an orderly end instead of the reset.
 */
export async function letPeerRead(): Promise<void> {
  await realDelay(1)
  await nextTurn()
  await nextTurn()
}
