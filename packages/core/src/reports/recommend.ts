import type { LedgerAttempt, LedgerQuery, LedgerReader, SpentAttempt } from '../ledger/types.ts'
import { usdOf } from '../money/usd.ts'
import type { Price } from '../money/price.ts'
import { type KnownPrices, paidPrice, sizeOf } from './baseline.ts'
import { periodOf } from './report.ts'
import { type Change, replay } from './replay.ts'
import type { Report, ReportRow } from './types.ts'

/** A change that would have cost less, with what it would have saved in the period. */
export interface Recommendation {
  readonly kind: 'expensive_model' | 'cheap_model_underused' | 'cache_would_hit' | 'costly_failures' | 'high_mean_cost'
  readonly message: string
  /** What was replayed: {@link replay} gives the same saving. */
  readonly change: Change
  readonly attempts: number
  readonly savingsUsd: string
  /** What the ledger can't know. */
  readonly unknown: string
}

const halfOfSpend = 0.5
const littleUse = 0.2
/** Short requests are those that a cheap model is the likeliest to do as well. */
const shortTokens = 1_000
const highUsdPerMillionTokens = 5
const fitSuccessRate = 0.95
const cacheMs = 3_600_000

/** What recommendations are made with. */
export interface RecommendOptions {
  readonly known: KnownPrices
  readonly nowMs: number
  /** The attempts to replay, oldest first. @default those of the ledger */
  readonly spent?: (query: LedgerQuery) => Iterable<SpentAttempt>
}

/** What would have cost less in a period: each found by replaying the ledger's attempts under another choice. */
export function recommend(
  ledger: LedgerReader,
  query: LedgerQuery = {},
  { known, nowMs, spent = ledger.attempts }: RecommendOptions,
): Recommendation[] {
  const within = { ...query, ...periodOf(query, nowMs) }
  const report = ledger.report({ ...within, by: 'model' })
  const prices = pricesIn(report, ledger, within, known)
  const ideas = [
    expensiveModel(report, prices),
    cheapModelUnderused(report, prices),
    cacheWouldHit,
    ...costlyFailures(report),
    highMeanCost(report, prices),
  ].filter((idea) => idea !== undefined)
  const changes = ideas.map(({ change }) => change)
  const results = replay(spent(within), changes, (model) => prices.get(model))
  return ideas
    .map((idea, index) => ({ ...idea, ...results[index]! }))
    .filter(({ savedNanoUsd }) => savedNanoUsd > 0n)
    .toSorted((a, b) => (a.savedNanoUsd < b.savedNanoUsd ? 1 : -1))
    .map(({ savedNanoUsd, ...idea }) => ({ ...idea, savingsUsd: usdOf(savedNanoUsd) }))
}

type Idea = Omit<Recommendation, 'attempts' | 'savingsUsd'>
type Prices = ReadonlyMap<string, Price>

/** The prices of the models in a report: as configured, or as they were in the period. */
function pricesIn(report: Report, ledger: LedgerReader, query: LedgerQuery, known: KnownPrices): Prices {
  const paid = (model: string) => {
    const first = ledger.attempts({ ...query, model }).next().value as LedgerAttempt | undefined
    return paidPrice(first)
  }
  return new Map(
    report.rows.flatMap(({ key }) => {
      const price = known.priceOf(key) ?? paid(key)
      return price ? [[key, price] as const] : []
    }),
  )
}

const unknownQuality = 'whether the answers would have been as good'

/** The cheapest model that answers well. */
function cheapest({ rows }: Report, prices: Prices): ReportRow | undefined {
  const fit = rows.filter(({ key, successRate }) => prices.has(key) && successRate >= fitSuccessRate)
  return fit.toSorted((a, b) => sizeOf(prices.get(a.key)!) - sizeOf(prices.get(b.key)!))[0]
}

function dearerThan(cheap: ReportRow, { rows }: Report, prices: Prices): string[] {
  const size = sizeOf(prices.get(cheap.key)!)
  return rows.map(({ key }) => key).filter((key) => prices.has(key) && sizeOf(prices.get(key)!) > size)
}

function expensiveModel(report: Report, prices: Prices): Idea | undefined {
  const [top] = report.rows
  const cheap = cheapest(report, prices)
  if (!top || !cheap || !dearerThan(cheap, report, prices).includes(top.key)) return undefined
  const share = Number(top.costUsd) / Number(report.total.costUsd)
  if (!(share > halfOfSpend)) return undefined
  const change = { models: [top.key], to: cheap.key }
  const message = `${top.key} is ${percent(share)} of the spend: send what it does to ${cheap.key}`
  return { kind: 'expensive_model', message, change, unknown: unknownQuality }
}

function cheapModelUnderused(report: Report, prices: Prices): Idea | undefined {
  const cheap = cheapest(report, prices)
  const models = cheap ? dearerThan(cheap, report, prices) : []
  if (!cheap || models.length === 0) return undefined
  const share = cheap.attempts / report.total.attempts
  if (share >= littleUse) return undefined
  const message = `${cheap.key} gets ${percent(share)} of the attempts: send it the requests of up to ${shortTokens} tokens`
  const change = { models, to: cheap.key, maxTokens: shortTokens }
  return { kind: 'cheap_model_underused', message, change, unknown: unknownQuality }
}

/** Never found in a ledger without fingerprints: nothing in it says what was asked. */
const cacheWouldHit: Idea = {
  kind: 'cache_would_hit',
  message: 'The same callers asked the same again within an hour: keep answers for as long in a cache',
  change: { cacheMs },
  unknown: 'whether an answer of up to an hour ago would still have been right',
}

function costlyFailures({ rows }: Report): Idea[] {
  return rows
    .filter(({ successRate }) => successRate < 1)
    .map(({ key, successRate }) => ({
      kind: 'costly_failures',
      message: `${percent(1 - successRate)} of the attempts at ${key} failed or were left, and what they used was billed`,
      change: { models: [key], failed: true },
      unknown: 'whether the attempts would have failed elsewhere, or callers would have left anyway',
    }))
}

function highMeanCost(report: Report, prices: Prices): Idea | undefined {
  const { inputTokens, cachedInputTokens, outputTokens, costUsd } = report.total
  const mean = (Number(costUsd) * 1e6) / (inputTokens + cachedInputTokens + outputTokens)
  const cheap = cheapest(report, prices)
  const models = cheap ? dearerThan(cheap, report, prices) : []
  if (!cheap || models.length === 0 || !(mean > highUsdPerMillionTokens)) return undefined
  const message = `A million tokens cost ${mean.toFixed(2)} USD on average: send all that ${cheap.key} can do to it`
  return { kind: 'high_mean_cost', message, change: { models, to: cheap.key }, unknown: unknownQuality }
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
