import { SignalboxError } from '../errors.ts'
import type { LedgerAttempt } from '../ledger/types.ts'
import { listedPrice } from '../money/price-list.ts'
import { type Price, priceOf } from '../money/price.ts'
import type { Baseline } from './types.ts'

/** What is known of prices besides what stands in the ledger's rows. */
export interface KnownPrices {
  /** The models that a report may be compared with. */
  readonly names: readonly string[]
  priceOf(name: string): Price | undefined
}

/** Nothing is known but what stands in the ledger. */
export const noKnownPrices: KnownPrices = { names: [], priceOf: () => undefined }

/**
 * The prices that a report compares with: those that are given, those of a model by its name (as it is configured, was
 * last used, or is listed), or else those of the dearest model.
 *
 * @throws SignalboxError `price_unknown` for a name whose price nobody knows
 */
export function baselinePrice(
  asked: Baseline | undefined,
  known: KnownPrices,
  recent: () => Iterable<LedgerAttempt>,
): Price | undefined {
  if (typeof asked === 'object') return priceOf(asked, 'baseline')
  if (asked === undefined) {
    const configured = known.names.flatMap((name) => known.priceOf(name) ?? [])
    return dearest(configured.length > 0 ? configured : [...recent()].flatMap((attempt) => paidPrice(attempt) ?? []))
  }
  const used = () => [...recent()].find(({ model, prices }) => model === asked && prices)
  const price =
    known.priceOf(asked) ?? paidPrice(used()) ?? listedPrice({ model: asked, baseUrl: '', timeMs: Date.now() })
  if (price) return price
  throw new SignalboxError(
    'price_unknown',
    `No price is known for the baseline ${JSON.stringify(asked)}: name a model that is configured, or used`,
  )
}

/** The price that an attempt was charged at. */
export const paidPrice = (attempt: LedgerAttempt | undefined): Price | undefined =>
  attempt?.prices && { base: attempt.prices, tiers: [], source: attempt.priceSource ?? 'ledger' }

function dearest(prices: readonly Price[]): Price | undefined {
  return prices.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0]
}

/** How dear a price is beside another. */
export const sizeOf = ({ base }: Price) => base.input + base.output
