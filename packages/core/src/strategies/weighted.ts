import type { Ranked, Strategy } from '../types.ts'

/** By chance, in proportion to weight; the places behind the first are drawn from the rest in the same way. */
export function weighted(): Strategy {
  return {
    name: 'weighted',
    rank(_call, candidates, { random }) {
      // A weight is worked out when it is asked for, so each is asked for once.
      const left = candidates.map(({ name, weight }) => ({ name, weight })).filter(({ weight }) => weight > 0)
      const ranked: Ranked[] = []
      while (left.length > 0) {
        let total = 0
        for (const { weight } of left) total += weight
        const [taken] = left.splice(draw(left, random() * total), 1)
        ranked.push({ name: taken!.name, reason: `drawn with weight ${taken!.weight} of ${total}` })
      }
      return ranked
    },
  }
}

function draw(candidates: readonly { readonly weight: number }[], at: number): number {
  let passed = 0
  const found = candidates.findIndex(({ weight }) => (passed += weight) > at)
  return found < 0 ? candidates.length - 1 : found
}
