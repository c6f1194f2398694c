import { seededRandom } from '@signalbox/core'

/** Where a measure lies with 95 % confidence. */
export type Interval = readonly [low: number, high: number]

/** How often each of `count` prompts is drawn, for each of `draws` resamples. The same each time. */
export function* resamples(count: number, draws: number): Generator<Uint16Array> {
  const random = seededRandom(99)
  for (let draw = 0; draw < draws; draw++) {
    const times = new Uint16Array(count)
    for (let at = 0; at < count; at++) times[Math.floor(random() * count)]!++
    yield times
  }
}

/** The middle 95 % of values. */
export function intervalOf(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  return [at(0.025), at(0.975)]
}
