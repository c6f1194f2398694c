import { shippedProfile } from '@signalbox/classifier'
import { type RoutingData, promptOf } from './data.ts'
import { fixed, table } from './table.ts'

const warmUp = 20_000
/** Of several runs of a prompt the middle one counts, so that what else the machine does is left out. */
const runs = 9
const bands = [
  [0, 200],
  [200, 500],
  [500, 1500],
  [1500, 6000],
] as const

/** How long it takes to rank two models for a prompt, features included, on this machine. */
export function latencyTable(data: RoutingData): string {
  const profile = shippedProfile()
  const candidates = ['gpt-4o-mini', 'gpt-4o-2024-08-06']
  const sources = [...new Set(Object.values(data.tracks).flatMap((track) => track.sources))]
  const prompts = data.lines('validation', sources).map(promptOf)
  const rows = bands.map(([from, to]) => {
    const some = prompts.filter(({ text }) => text.length >= from && text.length < to)
    const rank = (at: number) => profile.rank(some[at % some.length]!, candidates, { lambda: 10 })
    for (let at = 0; at < warmUp; at++) rank(at)
    const times = Float64Array.from(some, (_, at) => middleOf(() => rank(at))).toSorted()
    const share = (part: number) => fixed(times[Math.floor(part * (times.length - 1))]!, 1)
    return [`${from} to ${to}`, String(some.length), share(0.5), share(0.99)]
  })
  return table(['characters', 'prompts', 'p50 µs', 'p99 µs'], rows)
}

/** Microseconds. */
function middleOf(work: () => unknown): number {
  const times = Float64Array.from({ length: runs }, () => {
    const start = process.hrtime.bigint()
    work()
    return Number(process.hrtime.bigint() - start) / 1000
  })
  return times.toSorted()[(runs - 1) / 2]!
}
