import type { Clock } from '../clock.ts'
import type { PriceBook } from './price-book.ts'
import { boundNanoUsd } from './price.ts'
import { tokenBoundsOf } from '../tokens/attempt-bounds.ts'
import type { Attempt } from '../types.ts'

/** The most an attempt can cost, in nano-USD; undefined at a price that nobody knows. */
export function costBoundNanoUsd(
  attempt: Attempt,
  { prices, clock }: { readonly prices: PriceBook; readonly clock: Clock },
): number | undefined {
  const price = prices.priceOf(attempt.candidate.name, clock.wallTime(), attempt.call.surface)
  return price && boundNanoUsd(tokenBoundsOf(attempt), price)
}
