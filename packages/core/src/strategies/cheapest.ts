import { costNanoUsd, pricesFor } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { type Countable, tokensOf } from '../tokens/request.ts'
import type { Call, CandidateView } from '../types.ts'
import type { Ranked, Strategy } from './strategy.ts'

/** Tokens of an answer of which nothing is known, and by the label `expectedLength`. */
const usualTokens = 500
const tokensOfLength: ReadonlyMap<string | undefined, number> = new Map([
  ['short', 150],
  ['medium', usualTokens],
  ['long', 1_500],
])

/**
 * The cheapest for this call first, by its estimated input and the output it is likely to have. Models that would cost
 * more than the call may (`maxCostUsd`) are left out while any other is there; those whose price is unknown come last.
 */
export function cheapest(): Strategy {
  return {
    name: 'cheapest',
    rank(call, candidates) {
      const costs = candidates.map((view, place) => ({
        name: view.name,
        place,
        nanoUsd: likelyCostNanoUsd(call, view),
      }))
      const most = call.maxCostNanoUsd ?? Infinity
      const affordable = costs.filter(({ nanoUsd = 0 }) => nanoUsd <= most)
      return (affordable.length > 0 ? affordable : costs)
        .toSorted((a, b) => (a.nanoUsd ?? Infinity) - (b.nanoUsd ?? Infinity) || a.place - b.place)
        .map(({ name, nanoUsd }): Ranked => ({
          name,
          reason: reasonFor(nanoUsd),
          ...(nanoUsd !== undefined && { score: nanoUsd }),
        }))
    },
  }
}

const reasonFor = (nanoUsd: number | undefined) =>
  nanoUsd === undefined ? 'its price is unknown' : `about ${usdOf(nanoUsd)} USD for this call`

/**
 * What a call is likely to cost at a model, in nano-USD, by its estimated input and the output it is likely to have;
 * undefined where the model's price is unknown.
 *
 * @param cachedTokens of the input, how many the provider's prompt cache is likely to hold
 */
export function likelyCostNanoUsd(
  { request, labels }: Pick<Call, 'labels'> & { readonly request: Countable },
  { price }: Pick<CandidateView, 'price'>,
  cachedTokens = 0,
): number | undefined {
  if (!price) return undefined
  const { inputTokens, outputTokens, choices } = tokensOf(request)
  const likely = (tokensOfLength.get(labels['expectedLength']) ?? usualTokens) * choices
  const cachedInputTokens = Math.min(cachedTokens, inputTokens)
  const usage = {
    inputTokens: inputTokens - cachedInputTokens,
    cachedInputTokens,
    cacheWriteTokens: 0,
    outputTokens: outputTokens > 0 ? Math.min(outputTokens, likely) : likely,
    reasoningTokens: 0,
  }
  return costNanoUsd(usage, pricesFor(price, inputTokens))
}
