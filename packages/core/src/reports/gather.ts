import type { LedgerGroup, LedgerQuery } from '../ledger/types.ts'
import { usdOf } from '../money/usd.ts'
import { Latencies } from './latencies.ts'
import type { ReportRow } from './types.ts'

/** A name as a ledger groups by it: tags as JSON, a day by its number since the Unix epoch. */
export type RawName = string | number | null

/** What some attempts used and cost together. */
interface Spent {
  readonly attempts: number
  readonly unpricedAttempts: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costNanoUsd: bigint
  readonly baselineNanoUsd: bigint
}

/** How some uses went: attempts at models, or calls. */
interface Went {
  readonly calls: number
  readonly uses: number
  readonly successes: number
  readonly latencySumMs: number
  readonly lastTime: number
  readonly latencies: Latencies
}

/** Sums of one group, in either part. */
export type Sums = Partial<Spent> & Partial<Went>

/** Sums up what a ledger found for each name, by group and in all. */
export class Gatherer {
  private readonly groups = new Map<string, Sums[]>()
  private readonly all: Sums[] = []
  private readonly by: LedgerGroup
  private readonly isOfOneModel: boolean

  constructor(by: LedgerGroup, { model }: LedgerQuery = {}) {
    this.by = by
    this.isOfOneModel = model !== undefined
  }

  /** Whether calls are counted by themselves: a model has attempts only. */
  get countsCalls(): boolean {
    return this.by !== 'model'
  }

  add(name: RawName, sums: Sums): void {
    this.all.push(sums)
    this.addToGroups(name, sums)
  }

  /** Counts calls that came to a model after another one: a total of every model has them by their first attempt. */
  addLaterCalls(model: RawName, calls: number): void {
    if (this.isOfOneModel) this.add(model, { calls })
    else this.addToGroups(model, { calls })
  }

  private addToGroups(name: RawName, sums: Sums): void {
    for (const group of namesOf(this.by, name)) {
      const known = this.groups.get(group)
      if (known) known.push(sums)
      else this.groups.set(group, [sums])
    }
  }

  /** The dearest first; days in their order. */
  rows(): ReportRow[] {
    const groups = [...this.groups].map(([name, parts]) => ({ name, cost: costOf(parts), parts }))
    groups.sort((a, b) => (this.by === 'day' || a.cost === b.cost ? byName(a, b) : a.cost < b.cost ? 1 : -1))
    return groups.map(({ name, parts }) => rowOf(name, parts))
  }

  total(): ReportRow {
    return rowOf('total', this.all)
  }
}

const dayMs = 86_400_000

const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1)

function namesOf(by: LedgerGroup, name: RawName): readonly string[] {
  if (typeof name === 'number') return [new Date(name * dayMs).toISOString().slice(0, 10)]
  if (by !== 'tag') return [name ?? '']
  const tags = new Set(JSON.parse(name ?? '[]') as string[])
  return tags.size > 0 ? [...tags] : ['']
}

const costOf = (parts: readonly Sums[]) => parts.reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)

function rowOf(key: string, parts: readonly Sums[]): ReportRow {
  const sum = (value: (sums: Sums) => number | undefined) => parts.reduce((total, one) => total + (value(one) ?? 0), 0)
  const cost = costOf(parts)
  const baseline = parts.reduce((total, { baselineNanoUsd = 0n }) => total + baselineNanoUsd, 0n)
  const uses = sum((one) => one.uses)
  const last = parts.reduce((latest, { lastTime = -Infinity }) => Math.max(latest, lastTime), -Infinity)
  return {
    key,
    calls: sum((one) => one.calls),
    attempts: sum((one) => one.attempts),
    unpricedAttempts: sum((one) => one.unpricedAttempts),
    inputTokens: sum((one) => one.inputTokens),
    cachedInputTokens: sum((one) => one.cachedInputTokens),
    outputTokens: sum((one) => one.outputTokens),
    reasoningTokens: sum((one) => one.reasoningTokens),
    costUsd: usdOf(cost),
    baselineUsd: usdOf(baseline),
    savingsUsd: usdOf(baseline - cost),
    meanLatencyMs: uses === 0 ? 0 : Math.round((sum((one) => one.latencySumMs) / uses) * 10) / 10,
    p99LatencyMs: merged(parts).percentileMs(99),
    successRate: uses === 0 ? 0 : sum((one) => one.successes) / uses,
    lastUsed: last === -Infinity ? null : new Date(last).toISOString(),
  }
}

function merged(parts: readonly Sums[]): Latencies {
  const all = new Latencies()
  for (const { latencies } of parts) if (latencies) all.merge(latencies)
  return all
}
