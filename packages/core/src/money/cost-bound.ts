import type { Clock } from '../clock.ts'
import type { PriceBook } from './price-book.ts'
import { boundNanoUsd } from './price.ts'
import { inputBoundOf } from '../tokens/request.ts'
import type { Attempt } from '../types.ts'
import { outputBoundOf } from '../tokens/output-bound.ts'

/** The most an attempt can cost, in nano-USD; undefined at a price that nobody knows. */
export function costBoundNanoUsd(
  { call, candidate }: Attempt,
  { prices, clock }: { readonly prices: PriceBook; readonly clock: Clock },
): number | undefined {
  const price = prices.priceOf(candidate.name, clock.wallTime(), call.surface)
  const inputTokens = inputBoundOf(call.request, candidate.contextWindow)
  return price && boundNanoUsd({ inputTokens, outputTokens: outputBoundOf(call, candidate) }, price)
}
