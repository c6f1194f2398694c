import type { Clock, Timer } from '../clock.ts'
import { isSignalboxError } from '../errors.ts'
import { untilAborted } from '../sleep.ts'
import type { HealthSample } from './health-window.ts'

/** Something that can be asked whether it is well. */
export interface Probed {
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Asks once. Rejects when it is not well. */
  ask(signal: AbortSignal): Promise<void>
  /** Takes what came of it. */
  record(outcome: HealthSample['outcome']): void
}

/** Asks each of them again and again, one question at a time, until the function returned is called. */
export function startProbes(probed: readonly Probed[], clock: Clock): () => void {
  const stops = probed.map((one) => startProbe(one, clock))
  return () => stops.forEach((stop) => stop())
}

/** Who asks for fewer questions is there. */
const outcomeOf = (error: unknown): HealthSample['outcome'] =>
  isSignalboxError(error) && error.code === 'upstream_rate_limited' ? 'rate-limited' : 'failure'

function startProbe({ intervalMs, timeoutMs, ask, record }: Probed, clock: Clock): () => void {
  let stopped = false
  let timer: Timer | undefined
  let limit: AbortController | undefined
  const schedule = () => {
    if (!stopped) timer = clock.setTimeout(() => void probe(), intervalMs)
  }
  const probe = async () => {
    const { signal } = (limit = new AbortController())
    const limitTimer = clock.setTimeout(() => limit?.abort(), timeoutMs)
    try {
      await untilAborted(ask(signal), signal)
      record('success')
    } catch (error) {
      if (!stopped) record(signal.aborted ? 'timeout' : outcomeOf(error))
    } finally {
      clock.clearTimeout(limitTimer)
      schedule()
    }
  }
  schedule()
  return () => {
    stopped = true
    limit?.abort()
    clock.clearTimeout(timer)
  }
}
