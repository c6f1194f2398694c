import {
  type Figure,
  bestPeer,
  cpuPerChunk,
  cpuPerFailover,
  cpuPerRequest,
  firstChunkAdded,
  kilobytesPerStream,
  ratioOf,
} from './figures.ts'
import { median } from './median.ts'
import type { Results } from './measure.ts'
import type { Row } from './rows.ts'

/** A ratio that rows of our own must not exceed. */
export interface Target {
  readonly what: string
  readonly limit: (row: Row) => number
  readonly ratio: (results: Results, row: string) => number | undefined
}

const against =
  (figure: Figure, other: (results: Results) => string | undefined) => (results: Results, row: string) => {
    const name = other(results)
    return name === undefined ? undefined : ratioOf(results, [row, figure], [name, figure])
  }
const pipe = () => 'pipe'

/** Every target, with the ratio it is about. */
export const targets: readonly Target[] = [
  {
    what: 'CPU per request ÷ pipe',
    limit: ({ id, mount }) => (id === 'listener-cached' ? 0.7 : mount === 'framework' ? 1.5 : 1.35),
    ratio: against(cpuPerRequest, pipe),
  },
  {
    what: 'CPU per request ÷ best of express-undici, hpm, fastify',
    limit: () => 0.7,
    ratio: against(cpuPerRequest, bestPeer),
  },
  {
    what: 'CPU µs that eight plugins add to a call in process',
    limit: () => 2,
    ratio: ({ hooked }, row) =>
      row === 'listener-plugins' ? median(hooked.map(({ handedOn }) => handedOn)) : undefined,
  },
  { what: 'CPU per request ÷ Portkey', limit: () => 0.1, ratio: against(cpuPerRequest, () => 'portkey') },
  { what: 'first chunk of a stream, added, ÷ pipe', limit: () => 1.15, ratio: against(firstChunkAdded, pipe) },
  { what: 'CPU per chunk ÷ pipe', limit: () => 1.1, ratio: against(cpuPerChunk, pipe) },
  { what: 'memory per open stream ÷ pipe', limit: () => 1.15, ratio: against(kilobytesPerStream, pipe) },
  {
    what: 'CPU per request with one failed attempt ÷ without',
    limit: () => 1.9,
    ratio: (results, row) => ratioOf(results, [row, cpuPerFailover], [row, cpuPerRequest]),
  },
]

/** Whether a ratio holds; undefined where it was not measured. */
export function isHeld(target: Target, row: Row, results: Results): boolean | undefined {
  const ratio = target.ratio(results, row.id)
  return ratio === undefined ? undefined : ratio <= target.limit(row)
}
