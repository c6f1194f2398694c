import type { Usage } from '../types.ts'
import { picoUsdPerToken } from './usd.ts'

/** What a token of each class costs, in pico-USD (10^-12 US dollars). Whole numbers. */
export interface UnitPrices {
  readonly input: number
  readonly cachedInput: number
  readonly cacheWrite: number
  /** Written for an hour; absent where no price of its own is known. */
  readonly longCacheWrite?: number
  readonly output: number
  readonly reasoning: number
}

/** Prices that hold for a whole request once its input is larger than a bound. */
interface PriceTier {
  /** Input tokens of all classes; the tier holds above this. */
  readonly aboveInputTokens: number
  readonly prices: UnitPrices
}

/** The price of a model, and where it is known from. */
export interface Price {
  readonly base: UnitPrices
  /** From the lowest bound to the highest. */
  readonly tiers: readonly PriceTier[]
  /** `configuration`, or the name and version of the price list. */
  readonly source: string
}

/** Prices as a configuration writes them: USD per million tokens. */
export interface PriceSettings {
  readonly input: number
  readonly output: number
  /** Input read from the provider's prompt cache. @default as input */
  readonly cachedInput?: number | undefined
  /** Input written to the provider's prompt cache. @default as input */
  readonly cacheWrite?: number | undefined
  /** The same where it is to live for an hour. @default as cacheWrite */
  readonly longCacheWrite?: number | undefined
  /** Tokens of thought. @default as output */
  readonly reasoning?: number | undefined
  /** Prices for requests whose input is larger than a bound. */
  readonly tiers?: readonly (Omit<PriceSettings, 'tiers'> & { readonly aboveInputTokens: number })[] | undefined
}

/** Nothing costs anything. */
export const freePrices: UnitPrices = { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 }

/** A configuration's price, in whole pico-USD. */
export function priceOf(settings: PriceSettings, source = 'configuration'): Price {
  const tiers = (settings.tiers ?? []).map(({ aboveInputTokens, ...tier }) => ({
    aboveInputTokens,
    prices: unitPrices(tier),
  }))
  return {
    base: unitPrices(settings),
    tiers: tiers.toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens),
    source,
  }
}

function unitPrices({
  input,
  output,
  cachedInput = input,
  cacheWrite = input,
  longCacheWrite,
  reasoning = output,
}: PriceSettings): UnitPrices {
  return {
    input: picoUsdPerToken(input),
    cachedInput: picoUsdPerToken(cachedInput),
    cacheWrite: picoUsdPerToken(cacheWrite),
    output: picoUsdPerToken(output),
    reasoning: picoUsdPerToken(reasoning),
    ...(longCacheWrite !== undefined && { longCacheWrite: picoUsdPerToken(longCacheWrite) }),
  }
}

/** The unit prices that hold for a request with so much input. */
export function pricesFor({ base, tiers }: Price, inputTokens: number): UnitPrices {
  return tiers.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens)?.prices ?? base
}

/** All input tokens of a usage, whatever their class. */
export function inputTokensOf({ inputTokens, cachedInputTokens, cacheWriteTokens }: Usage): number {
  return inputTokens + cachedInputTokens + cacheWriteTokens
}

/** What a usage costs in nano-USD, rounded up once. Exact: products beyond 2^53 are taken as big integers. */
export function costNanoUsd(usage: Usage, prices: UnitPrices): number {
  const { longCacheWriteTokens: long = 0 } = usage
  const { longCacheWrite = prices.cacheWrite } = prices
  const pico =
    usage.inputTokens * prices.input +
    usage.cachedInputTokens * prices.cachedInput +
    (usage.cacheWriteTokens - long) * prices.cacheWrite +
    long * longCacheWrite +
    usage.outputTokens * prices.output +
    usage.reasoningTokens * prices.reasoning
  if (Number.isSafeInteger(pico)) return Math.ceil(pico / picoPerNano)
  const exact =
    product(usage.inputTokens, prices.input) +
    product(usage.cachedInputTokens, prices.cachedInput) +
    product(usage.cacheWriteTokens - long, prices.cacheWrite) +
    product(long, longCacheWrite) +
    product(usage.outputTokens, prices.output) +
    product(usage.reasoningTokens, prices.reasoning)
  return Number((exact + BigInt(picoPerNano) - 1n) / BigInt(picoPerNano))
}

const product = (tokens: number, price: number) => BigInt(tokens) * BigInt(price)

const picoPerNano = 1_000

/** What a request may be counted at the most. */
export interface TokenBounds {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** The most a request within these bounds can cost, in nano-USD: every token at the dearest price of its side, in the dearest tier. */
export function boundNanoUsd({ inputTokens, outputTokens }: TokenBounds, price: Price): number {
  const { input, output } = dearest(price, inputTokens)
  const nanoUsd = costNanoUsd(
    { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens, reasoningTokens: 0 },
    { input, cachedInput: 0, cacheWrite: 0, output, reasoning: 0 },
  )
  return Math.min(nanoUsd, Number.MAX_SAFE_INTEGER)
}

/** The output tokens that an amount pays for, after the input at its dearest. Never below 0. */
export function affordableOutputTokens(nanoUsd: number, inputTokens: number, price: Price): number {
  const { input, output } = dearest(price, inputTokens)
  if (output === 0) return Infinity
  const left = BigInt(Math.floor(nanoUsd)) * BigInt(picoPerNano) - BigInt(inputTokens) * BigInt(input)
  return left > 0n ? Number(left / BigInt(output)) : 0
}

/** The dearest price of each side among the tiers that a request of at most so much input may fall into. */
function dearest({ base, tiers }: Price, inputTokens: number): { readonly input: number; readonly output: number } {
  let input = dearestInput(base)
  let output = dearestOutput(base)
  for (const { aboveInputTokens, prices } of tiers) {
    if (inputTokens <= aboveInputTokens) continue
    input = Math.max(input, dearestInput(prices))
    output = Math.max(output, dearestOutput(prices))
  }
  return { input, output }
}

const dearestInput = ({ input, cachedInput, cacheWrite, longCacheWrite = 0 }: UnitPrices) =>
  Math.max(input, cachedInput, cacheWrite, longCacheWrite)
const dearestOutput = ({ output, reasoning }: UnitPrices) => Math.max(output, reasoning)
