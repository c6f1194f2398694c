import type { Surface } from '../types.ts'
import { type Price, type PriceSettings, freePrices, priceOf } from './price.ts'
import { type PriceQuery, listedPrice } from './price-list.ts'

/** What is done with a model whose price nobody knows. */
export type UnknownPricePolicy = 'reject' | 'highest-known' | 'free'

/** The prices of the models of a router. */
export interface PriceBook {
  /**
   * The price of a model at a time, for what it is called for (chat, unless it is said); undefined where it is unknown and
   * calls at an unknown price are refused, and for what is none of its models.
   */
  priceOf(name: string, timeMs: number, surface?: Surface): Price | undefined
}

/** A model as the price book knows it. */
export interface PricedModel {
  readonly name: string
  /** The provider's name for it. */
  readonly model: string
  readonly baseUrl: string
  /** What the configuration says; `false` for a model that costs nothing. */
  readonly price?: PriceSettings | false | undefined
}

/** A listed price is looked up again after so long: some change by the hour, none by the minute. */
const lookupMs = 60_000

/** The configuration's prices first, then the public list's, then the policy for what is unknown. */
export function createPriceBook(models: readonly PricedModel[], policy: UnknownPricePolicy): PriceBook {
  const configured = new Map(
    models.flatMap(({ name, price }) => (price === undefined ? [] : [[name, ofSettings(price)] as const])),
  )
  const listed = new Map(
    models
      .filter(({ price }) => price === undefined)
      .map((model) => [model.name, { chat: cached(model, 'chat'), embeddings: cached(model, 'embeddings') }]),
  )
  const names = new Set(models.map(({ name }) => name))
  const known = (name: string, timeMs: number, surface: Surface) =>
    configured.get(name) ?? listed.get(name)?.[surface](timeMs)

  function unknown(timeMs: number): Price | undefined {
    if (policy === 'free') return { base: freePrices, tiers: [], source: 'unknown: free' }
    if (policy === 'reject') return undefined
    const prices = models.map(({ name }) => known(name, timeMs, 'chat')).filter((price) => price !== undefined)
    return prices.some(({ base }) => base.output > 0) ? highest(prices) : undefined
  }

  return {
    priceOf: (name, timeMs, surface = 'chat') =>
      names.has(name) ? (known(name, timeMs, surface) ?? unknown(timeMs)) : undefined,
  }
}

function ofSettings(price: PriceSettings | false): Price {
  return price === false ? { base: freePrices, tiers: [], source: 'configuration' } : priceOf(price)
}

function cached({ model, baseUrl }: PricedModel, surface: Surface): (timeMs: number) => Price | undefined {
  let minute = -1
  let price: Price | undefined
  return (timeMs) => {
    const now = Math.floor(timeMs / lookupMs)
    if (now !== minute) {
      minute = now
      price = listedPrice({ model, baseUrl, timeMs, surface } satisfies PriceQuery)
    }
    return price
  }
}

/** The dearest known price of each class, tiers included. */
function highest(prices: readonly Price[]): Price {
  const all = prices.flatMap(({ base, tiers }) => [base, ...tiers.map((tier) => tier.prices)])
  const most = (key: keyof typeof freePrices) => Math.max(...all.map((unit) => unit[key] ?? unit.cacheWrite))
  const base = {
    input: most('input'),
    cachedInput: most('cachedInput'),
    cacheWrite: most('cacheWrite'),
    longCacheWrite: most('longCacheWrite'),
    output: most('output'),
    reasoning: most('reasoning'),
  }
  return { base, tiers: [], source: 'unknown: highest known' }
}
