import type { UnitPrices } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'

/** A month's traffic: requests, and all their tokens together. */
export interface Traffic {
  readonly requests: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
}

/** A model that traffic may go to. */
export interface ProjectedModel {
  readonly name: string
  readonly prices: UnitPrices
}

/** A way to spread traffic over models: shares in any unit, by the model's name. */
export interface Mix {
  readonly strategy: string
  readonly shares: Readonly<Record<string, number>>
}

/** What a month costs by one way of spreading it. Money is an exact decimal of US dollars. */
export interface Projection {
  readonly strategy: string
  readonly shares: Readonly<Record<string, number>>
  readonly monthlyUsd: string
  readonly usdPerMillionTokens: string
  /** Against the first of the mixes. */
  readonly savingsUsd: string
  /** Of the first mix's cost; 0 where that is nothing. */
  readonly savingsShare: number
}

/** Exact for shares of up to so many digits behind the point. */
const shareUnit = 1_000_000n
const picoPerNano = 1_000n

/**
 * What a month's traffic costs by each mix, against the first of them.
 *
 * @throws RangeError for a mix with a share for what is not among the models: an unknown price is not 0
 */
export function project(traffic: Traffic, models: readonly ProjectedModel[], mixes: readonly Mix[]): Projection[] {
  const costs = new Map(models.map(({ name, prices }) => [name, picoUsd(traffic, prices)]))
  const tokens = BigInt(Math.round(traffic.inputTokens + traffic.cachedInputTokens + traffic.outputTokens))
  const totals = mixes.map(({ shares }) => mixed(shares, costs))
  const [first = 0n] = totals
  return mixes.map(({ strategy, shares }, index) => {
    const total = totals[index]!
    return {
      strategy,
      shares,
      monthlyUsd: usdOf(nanoUsd(total)),
      usdPerMillionTokens: usdOf(tokens === 0n ? 0n : nanoUsd((total * 1_000_000n) / tokens)),
      savingsUsd: usdOf(nanoUsd(first) - nanoUsd(total)),
      savingsShare: first === 0n ? 0 : 1 - Number(total) / Number(first),
    }
  })
}

function picoUsd({ inputTokens, cachedInputTokens, outputTokens }: Traffic, prices: UnitPrices): bigint {
  const parts = [
    [inputTokens, prices.input],
    [cachedInputTokens, prices.cachedInput],
    [outputTokens, prices.output],
  ] as const
  return parts.reduce((sum, [tokens, price]) => sum + BigInt(Math.round(tokens)) * BigInt(price), 0n)
}

function mixed(shares: Mix['shares'], costs: ReadonlyMap<string, bigint>): bigint {
  const weights = Object.entries(shares).map(
    ([name, share]) => [name, BigInt(Math.round(share * Number(shareUnit)))] as const,
  )
  const all = weights.reduce((sum, [, weight]) => sum + weight, 0n)
  const weighed = weights.reduce(
    (sum, [name, weight]) => (weight === 0n ? sum : sum + costOf(name, costs) * weight),
    0n,
  )
  return all === 0n ? 0n : weighed / all
}

function costOf(name: string, costs: ReadonlyMap<string, bigint>): bigint {
  const cost = costs.get(name)
  if (cost === undefined) throw new RangeError(`No price is known for ${JSON.stringify(name)}`)
  return cost
}

/** Rounded up, like all that is charged. */
const nanoUsd = (pico: bigint) => (pico + picoPerNano - 1n) / picoPerNano
