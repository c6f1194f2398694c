import { trainProfile } from '@signalbox/classifier'
import { Neighbours, articleScore, length, technicalScore } from './baselines.ts'
import { type Line, type RoutingData, type Track, finest, promptOf, rowsOf, withModels } from './data.ts'
import { gainsOf, onTrack } from './evaluate.ts'
import { fixed, percent, table, within } from './table.ts'

const nearest = 60

/** Every track: what was trained beside rules that need no training, and beside neighbours. */
export function trackTable(data: RoutingData): string {
  const rows = Object.entries(data.tracks).flatMap(([name, track]) => {
    const [train, test] = linesOfTrack(data, track)
    return Object.entries(gainsOfRouters(track, train, test)).map(([router, gains]) => {
      const measured = onTrack(track, test, gains)
      return [
        router === 'learned' ? `**${name}**, ${test.length} prompts` : '',
        router === 'learned' ? '**learned**' : router,
        fixed(measured.apgr),
        within(measured.interval),
        percent(measured.cpt50),
        percent(measured.cpt80),
        percent(measured.costEq),
        fixed(measured.aiq, 4),
      ]
    })
  })
  return table(['track', 'router', 'APGR', '95 %', 'CPT50', 'CPT80', 'costEq', 'AIQ'], rows)
}

/** The lines of a track to train on and to measure on. */
export const linesOfTrack = (data: RoutingData, { weak, strong, sources }: Track) =>
  (['train', 'validation'] as const).map((split) => withModels(data.lines(split, sources), [weak, strong])) as [
    Line[],
    Line[],
  ]

function gainsOfRouters({ weak, strong }: Track, train: readonly Line[], test: readonly Line[]) {
  const profile = trainProfile(rowsOf(train, finest, [weak, strong]), { measure: false })
  const gains = train.map(({ results }) => results[strong]!.score - results[weak]!.score)
  const neighbours = new Neighbours(train.map(({ prompt }) => prompt))
  const texts = test.map((line) => promptOf(line).text)
  return {
    learned: gainsOf(profile, test, weak, strong),
    [`kNN, ${nearest} neighbours`]: texts.map((text) => neighbours.mean(text, gains, nearest)),
    length: texts.map(length),
    "articles' points": texts.map(articleScore),
    "articles' keywords": texts.map(technicalScore),
    'random, the zero router': texts.map(() => 0),
  }
}
