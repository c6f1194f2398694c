import { trainProfile } from '@signalbox/classifier'
import { seededRandom } from '@signalbox/core'
import { type RoutingData, finest, rowsOf } from './data.ts'
import { gainsOf, onTrack } from './evaluate.ts'
import { trainShipped } from './ship.ts'
import { fixed, mean, table } from './table.ts'
import { linesOfTrack } from './tracks.ts'

const draws = 5

/** How many labelled prompts are needed. The prior has seen no label of the two models. */
export function fewLabelsTable(data: RoutingData): string {
  const lines = ['RL-MMLU', 'MIX-CLAUDE'].map((name) => {
    const track = data.tracks[name]!
    const { weak, strong } = track
    const prior = trainShipped(data, [weak, strong])
    const [train, test] = linesOfTrack(data, track)
    const apgr = (labels: number, draw: number) => {
      const random = seededRandom(draw + 1)
      const drawn = train.map((line) => ({ line, place: random() })).toSorted((a, b) => a.place - b.place)
      const rows = rowsOf(
        drawn.slice(0, labels).map(({ line }) => line),
        finest,
        [weak, strong],
      )
      return onTrack(track, test, gainsOf(trainProfile(rows, { prior, measure: false }), test, weak, strong)).apgr
    }
    const means = [50, 150, 500].map((labels) =>
      fixed(mean(Array.from({ length: draws }, (_, draw) => apgr(labels, draw)))),
    )
    return [name, ...means]
  })
  return table(['track, APGR', '50 labels', '150 labels', '500 labels'], lines)
}
