import { trainProfile } from '@signalbox/classifier'
import { Neighbours } from './baselines.ts'
import { type Line, type Pool, type RoutingData, finest, rowsOf, withModels } from './data.ts'
import { expectedOf, onPool, outcomesOf } from './evaluate.ts'
import { fixed, percent, table, within } from './table.ts'

const nearest = 40

/** Every pool: what was trained, beside neighbours and beside single models at the best mix. */
export function poolTable(data: RoutingData): string {
  const rows = Object.entries(data.pools).flatMap(([name, pool]) => {
    const [train, test] = (['train', 'validation'] as const).map((split) =>
      withModels(data.lines(split, pool.sources), pool.models),
    ) as [Line[], Line[]]
    const profile = trainProfile(rowsOf(train, finest, pool.models), { measure: false })
    const outcomes = outcomesOf(pool, test)
    const learned = onPool(outcomes, expectedOf(profile, pool, test))
    const near = onPool(outcomes, neighboursOf(pool, train, test))
    const row = (router: string, { aiq, interval, arena, peak, costAtBest }: typeof learned) => [
      router,
      fixed(aiq, 4),
      within(interval, 4),
      fixed(arena, 2),
      fixed(peak, 4),
      percent(costAtBest),
    ]
    const zero = fixed(learned.zeroRouterAiq, 4)
    return [
      [`**${name}**, ${test.length} prompts`, ...row('**learned**', learned)],
      ['', ...row(`kNN, ${nearest} neighbours`, near)],
      ['', 'zero router', zero, '', '', '', '100.0 %'],
    ]
  })
  return table(['pool', 'router', 'AIQ', '95 %', 'arena', 'peak', 'cost at best single'], rows)
}

function neighboursOf({ models }: Pool, train: readonly Line[], test: readonly Line[]) {
  const neighbours = new Neighbours(train.map(({ prompt }) => prompt))
  const known = models.map((model) => train.map(({ results }) => results[model]!.score))
  const costs = models.map(
    (model) => train.reduce((sum, { results }) => sum + results[model]!.cost_usd!, 0) / train.length,
  )
  return {
    qualities: test.map(({ prompt }) => Float64Array.from(known, (scores) => neighbours.mean(prompt, scores, nearest))),
    costs: test.map(() => Float64Array.from(costs)),
  }
}
