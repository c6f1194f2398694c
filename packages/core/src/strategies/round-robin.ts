import type { CandidateView } from '../types.ts'
import type { Strategy } from './strategy.ts'

type Balances = Readonly<Record<string, number>>

/**
 * Smooth weighted round-robin: each model in turn, in proportion to its weight, and never in bursts. Each choice raises
 * every model's balance by its weight and lowers the chosen one's by the sum. Balances go by name, so a model that
 * leaves hands its share to all the others alike. The method is nginx's (commit 52327e0627, 2012).
 */
export function roundRobin(): Strategy {
  const balances = new Map<string, number>()
  const balance = ({ name, weight }: CandidateView) => (balances.get(name) ?? 0) + weight
  const balancesOf = (candidates: readonly CandidateView[]): Balances => {
    const all: Record<string, number> = {}
    for (const candidate of candidates) all[candidate.name] = balance(candidate)
    return all
  }

  return {
    name: 'round-robin',
    assess: (_call, candidates) => balancesOf(candidates),
    rank(_call, candidates, { assessment = balancesOf(candidates) }) {
      const usable = candidates.filter(({ weight }) => weight > 0)
      return usable
        .map(({ name }, index) => ({ name, score: (assessment as Balances)[name] ?? 0, index }))
        .toSorted((a, b) => b.score - a.score || a.index - b.index)
        .map(({ name, score }, place) => ({ name, score, reason: place === 0 ? 'its turn' : `turn ${place + 1}` }))
    },
    observe(outcome) {
      if (outcome.type !== 'taken') return
      let total = 0
      for (const candidate of outcome.candidates) {
        total += candidate.weight
        balances.set(candidate.name, balance(candidate))
      }
      balances.set(outcome.name, (balances.get(outcome.name) ?? 0) - total)
    },
  }
}
