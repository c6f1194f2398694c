import { type ModelPrice, type TieredPrices, calcPrice } from '@pydantic/genai-prices'
import type { Surface } from '../types.ts'
import { type Price, type PriceSettings, priceOf } from './price.ts'

/** The version stands in every ledger entry that was priced by it. A test holds it to the installed package. */
export const priceListVersion = 'genai-prices 0.1.8'

/** What a model is looked up by. */
export interface PriceQuery {
  /** The provider's name for it. */
  readonly model: string
  /** Where it is called: the provider is told from it. */
  readonly baseUrl: string
  /** The time of the call, in milliseconds since the Unix epoch: some prices change by the hour. */
  readonly timeMs: number
  /** What it is called for: an embedding has no output, and its price is whole without one. @default 'chat' */
  readonly surface?: Surface | undefined
}

/**
 * The public list's price for a model; undefined where it has none. A list is a default: a price in the configuration
 * always wins.
 */
export function listedPrice({ model, baseUrl, timeMs, surface = 'chat' }: PriceQuery): Price | undefined {
  const found = look(model, { providerApiUrl: baseUrl, timestamp: new Date(timeMs) })
  const settings = found && settingsOf(found, surface)
  return settings && priceOf(settings, priceListVersion)
}

function look(model: string, options: { providerApiUrl: string; timestamp: Date }): ModelPrice | undefined {
  try {
    return calcPrice({ input_tokens: 0, output_tokens: 0 }, model, options)?.model_price
  } catch {
    return undefined
  }
}

function settingsOf(listed: ModelPrice, surface: Surface): PriceSettings | undefined {
  const base = at(listed, 0, surface)
  // A price for each request besides its tokens has no place here: the whole price is then unknown.
  if (!base || listed['requests_kcount'] !== undefined) return undefined
  const bounds = Object.values(listed).flatMap((price) =>
    isTiered(price) ? price.tiers.map(({ start }) => start) : [],
  )
  const tiers = [...new Set(bounds)].map((start) => ({ aboveInputTokens: start, ...at(listed, start + 1, surface)! }))
  return { ...base, tiers }
}

/** The prices for a request with so much input. */
function at(listed: ModelPrice, inputTokens: number, surface: Surface): Omit<PriceSettings, 'tiers'> | undefined {
  const value = (key: string) => {
    const price = listed[key]
    if (!isTiered(price)) return price
    return price.tiers.findLast(({ start }) => inputTokens > start)?.price ?? price.base
  }
  const input = value('input_mtok')
  const output = value('output_mtok') ?? (surface === 'embeddings' ? 0 : undefined)
  if (input === undefined || output === undefined) return undefined
  return {
    input,
    output,
    cachedInput: value('cache_read_mtok'),
    cacheWrite: value('cache_write_mtok'),
    longCacheWrite: value('cache_write_1h_mtok'),
    reasoning: value('output_reasoning_mtok'),
  }
}

const isTiered = (price: ModelPrice[string]): price is TieredPrices => typeof price === 'object'
