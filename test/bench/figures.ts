import { median } from './median.ts'
import type { Results, Sample } from './measure.ts'
import type { Phase, Row } from './rows.ts'

/** One number out of a phase's sample. */
export interface Figure {
  readonly phase: Phase
  readonly of: (sample: Sample) => number
  /** Whether what the upstream takes by itself is taken off. */
  readonly isAdded?: boolean
}

const pick = (phase: Phase, name: string, isAdded = false): Figure => ({
  phase,
  of: (sample) => sample[name]!,
  isAdded,
})

/** Processor time for one request at 16 connections. */
export const cpuPerRequest = pick('busy', 'cpu')
export const requestsPerSecond = pick('busy', 'perSecond')
/** Latency at 16 connections, which is mostly waiting in line. */
export const busyP99Added = pick('busy', 'p99', true)
/** Latency of one request at a time. */
export const p50Added = pick('single', 'p50', true)
export const p99Added = pick('single', 'p99', true)
/** From a request to the first content of its stream. */
export const firstChunkAdded = pick('first-chunk', 'firstChunkP50', true)
export const cpuPerChunk = pick('chunks', 'cpu')
export const kilobytesPerStream = pick('hold', 'kilobytes')
export const openStreams = pick('hold', 'mostOpenStreams')
/** Processor time for one chunk of many slow streams. */
export const cpuPerPacedChunk = pick('hold', 'cpu')
export const cpuPerFailover = pick('failover', 'cpu')

/** A figure of a row in every round. */
export function valuesOf(results: Results, row: string, figure: Figure): Map<number, number> {
  const rounds = results.samples.get(row)?.get(figure.phase) ?? new Map<number, Sample>()
  const direct = figure.isAdded ? results.samples.get('direct')?.get(figure.phase) : undefined
  const entries = [...rounds].map(([round, sample]): [number, number] => {
    const own = direct?.get(round)
    return [round, figure.of(sample) - (figure.isAdded ? (own ? figure.of(own) : Number.NaN) : 0)]
  })
  return new Map(entries.filter(([, value]) => !Number.isNaN(value)))
}

/** The median of a figure over the rounds. */
export const valueOf = (results: Results, row: string, figure: Figure) =>
  median([...valuesOf(results, row, figure).values()])

/** The median over the rounds of a figure divided by another: both come from the same round, so drift cancels out. */
export function ratioOf(
  results: Results,
  [row, figure]: readonly [string, Figure],
  [other, against]: readonly [string, Figure],
): number | undefined {
  const values = valuesOf(results, row, figure)
  const others = valuesOf(results, other, against)
  return median([...values].flatMap(([round, value]) => (others.has(round) ? [value / others.get(round)!] : [])))
}

/** The cheapest of the proxies and hand-written forwards that a router is measured by. */
export function bestPeer(results: Results): string | undefined {
  const peers = results.rows.filter((row: Row) => row.kind === 'peer' && !row.heavy)
  const cost = (row: Row) => valueOf(results, row.id, cpuPerRequest) ?? Infinity
  return peers.toSorted((a, b) => cost(a) - cost(b))[0]?.id
}
