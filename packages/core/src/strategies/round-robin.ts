import type { CandidateView, Strategy } from '../types.ts'

/**
 * Smooth weighted round-robin: each model in turn, in proportion to its weight, and never in bursts. Each choice raises
 * every model's balance by its weight and lowers the chosen one's by the sum. Balances go by name, so a model that
 * leaves hands its share to all the others alike. The method is nginx's (commit 52327e0627, 2012).
 */
export function roundRobin(): Strategy {
  const balances = new Map<string, number>()
  const balance = ({ name, weight }: CandidateView) => (balances.get(name) ?? 0) + weight

  return {
    name: 'round-robin',
    rank(_call, candidates) {
      const usable = candidates.filter(({ weight }) => weight > 0)
      return usable
        .map((candidate, index) => ({ name: candidate.name, balance: balance(candidate), index }))
        .toSorted((a, b) => b.balance - a.balance || a.index - b.index)
        .map(({ name }, place) => ({ name, reason: place === 0 ? 'its turn' : `turn ${place + 1}` }))
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
