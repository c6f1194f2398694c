import { type Clock, systemClock } from '../clock.ts'
import type { RouterOptions } from '../config/options.ts'
import { type PriceBook, createPriceBook } from './price-book.ts'
import { providerOf } from '../providers/index.ts'
import type { KnownPrices } from '../reports/baseline.ts'

/** The price book of a configuration. */
export function priceBookOf({ models, unknownPrice }: RouterOptions): PriceBook {
  const priced = Object.entries(models).map(([name, model]) => ({
    name,
    model: model.model ?? name,
    baseUrl: ('baseUrl' in model && model.baseUrl) || providerOf(model).baseUrl || '',
    price: model.price,
  }))
  return createPriceBook(priced, unknownPrice || 'reject')
}

/** What the models of a configuration cost now: by the configuration, or by the public list. */
export function pricesOf(options: RouterOptions, clock: Clock = systemClock, book = priceBookOf(options)): KnownPrices {
  return { names: Object.keys(options.models), priceOf: (name) => book.priceOf(name, clock.wallTime()) }
}
