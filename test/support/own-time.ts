import { readFileSync } from 'node:fs'

const tickMs = 10

/**
 * Milliseconds that this machine's processors wanted to work and were not let, together: a host that runs several machines
 * gave them to others. 0 where the system does not say.
 */
function stolenMs(): number {
  try {
    const [, , , , , , , , steal] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!.split(/\s+/).map(Number)
    return (steal ?? 0) * tickMs
  } catch {
    return 0
  }
}

/** A watch that stands while the machine does: gives the milliseconds since it was started, less those that were stolen. */
export function startOwnTime(): () => number {
  const startedMs = performance.now()
  const stolenBeforeMs = stolenMs()
  return () => performance.now() - startedMs - (stolenMs() - stolenBeforeMs)
}
