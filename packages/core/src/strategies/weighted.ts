import type { Ranked, Strategy } from '../types.ts'

/** By chance, in proportion to weight; the places behind the first are drawn from the rest in the same way. */
export function weighted(): Strategy {
  return {
    name: 'weighted',
    rank(_call, candidates, { random }) {
      // A weight is worked out when it is asked for, so each is asked for once. One that was drawn has none any more.
      const weights = candidates.map(({ weight }) => (weight > 0 ? weight : 0))
      const ranked: Ranked[] = []
      for (let total = sum(weights); total > 0; total = sum(weights)) {
        const place = draw(weights, random() * total)
        ranked.push({
          name: candidates[place]!.name,
          score: weights[place]!,
          reason: `drawn with weight ${weights[place]} of ${total}`,
        })
        weights[place] = 0
      }
      return ranked
    },
  }
}

function sum(weights: readonly number[]): number {
  let total = 0
  for (const weight of weights) total += weight
  return total
}

/** The place that a draw falls on, where each is as long as its weight. */
export function draw(weights: readonly number[], at: number): number {
  let passed = 0
  const found = weights.findIndex((weight) => (passed += weight) > at)
  return found < 0 ? weights.findLastIndex((weight) => weight > 0) : found
}
