import { drawLatencyMs } from '../simulated-provider/models.ts'
import type { DispatcherFault, Outage } from './faults.ts'

export interface OutageOptions {
  readonly random: () => number
  /** The time over which the outages are spread, in milliseconds from 0. */
  readonly spanMs: number
  /** The share of it that is outage, from 0 to 1: 0.005 for an uptime of 99.5 %. Kept exactly. */
  readonly downShare: number
  /** Median and 99th percentile of one outage. @default 12 minutes and 3 hours */
  readonly lengthMs?: { readonly p50: number; readonly p99: number }
  /** How each outage fails. @default a 503 in every one */
  readonly fault?: () => DispatcherFault
}

const usualLength = { p50: 12 * 60_000, p99: 180 * 60_000 }

/**
 * Draws outages of log-normal length at random times, which together last exactly `downShare` of the span.
 *
 * @example
 * const outages = drawOutages({ random: seededRandom(1), spanMs: 14 * 86_400_000, downShare: 0.005 })
 */
export function drawOutages({ random, spanMs, downShare, lengthMs = usualLength, fault }: OutageOptions): Outage[] {
  if (!(downShare >= 0 && downShare <= 1)) throw new RangeError(`Expected downShare from 0 to 1, got ${downShare}`)
  const downMs = spanMs * downShare
  const lengths: number[] = []
  for (let left = downMs; left > 0; left -= lengths.at(-1)!)
    lengths.push(drawLatencyMs({ latencyMs: lengthMs }, random))
  const downs = scaledTo(downMs, lengths)
  const ups = scaledTo(
    spanMs - downMs,
    Array.from({ length: downs.length + 1 }, () => -Math.log(1 - random())),
  )
  let atMs = 0
  return downs.map((length, index) => {
    const fromMs = atMs + ups[index]!
    atMs = fromMs + length
    return { fromMs, untilMs: atMs, ...(fault && { fault: fault() }) }
  })
}

function scaledTo(total: number, parts: readonly number[]): number[] {
  const sum = parts.reduce((all, part) => all + part, 0)
  return parts.map((part) => (part / sum) * total)
}
