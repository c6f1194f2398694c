import type { Ranked, Strategy } from './strategy.ts'

/** By chance, in proportion to weight; the places behind the first are drawn from the rest in the same way. */
export function weighted(): Strategy {
  /** The reasons given last, by name: weights seldom change, and to write numbers costs more than all the rest. */
  const given = new Map<string, Reason>()

  function reasonFor(name: string, weight: number, total: number): string {
    const last = given.get(name)
    if (last?.weight === weight && last.total === total) return last.text
    const text = `drawn with weight ${weight} of ${total}`
    given.set(name, { weight, total, text })
    return text
  }

  return {
    name: 'weighted',
    rank(_call, candidates, { random }) {
      // A weight is worked out when it is asked for, so each is asked for once. One that was drawn has none any more.
      const weights = candidates.map(({ weight }) => (weight > 0 ? weight : 0))
      const ranked: Ranked[] = []
      for (let total = sum(weights); total > 0; total = sum(weights)) {
        const place = draw(weights, random() * total)
        const { name } = candidates[place]!
        const score = weights[place]!
        ranked.push({ name, score, reason: reasonFor(name, score, total) })
        weights[place] = 0
      }
      return ranked
    },
  }
}

interface Reason {
  readonly weight: number
  readonly total: number
  readonly text: string
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
