import { isRecord } from '../is-record.ts'
import { noUsage } from '../reply.ts'
import type { Usage, UsageFault } from '../types.ts'

/**
 * Reads what one provider says was used into disjoint classes; undefined where it says nothing that can be believed, so
 * that it is counted here instead. What does not add up is read the dearer way and flagged in `faults`.
 */
export type UsageNormaliser = (raw: unknown) => Usage | undefined

/** No provider counts more than this in one answer: one that says more is not believed. */
const largestCount = 2 ** 31

/** What providers call a tier or a speed of another price than that of their lists. */
const otherTiers: ReadonlySet<unknown> = new Set(['priority', 'flex', 'batch', 'fast'])

/** Whether a value can be what a provider counted. */
export const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= largestCount

/** The classes of tokens that every usage counts. */
export const tokenClasses = Object.keys(noUsage) as (keyof typeof noUsage & Exclude<keyof Usage, 'faults'>)[]

/** Whether a usage that somebody else told is all counts. */
export const isCounted = (usage: Partial<Usage> | undefined): boolean =>
  tokenClasses.every((name) => isCount(usage?.[name])) &&
  (usage?.longCacheWriteTokens === undefined || isCount(usage.longCacheWriteTokens))

/** The counts of one usage object, and what is odd about them. */
export class Counts {
  readonly faults = new Set<UsageFault>()

  /** A count that nothing can be said without: undefined where it is none. */
  needed(value: unknown): number | undefined {
    if (typeof value !== 'number' || !(value >= 0) || value > largestCount) return undefined
    return this.whole(value)
  }

  /** A part that may be left out, under the first of its names that says more than 0. One that is no count is none, and flagged. */
  part(...spellings: readonly unknown[]): number {
    const count = this.needed(spellings.find(Boolean) ?? 0)
    if (count === undefined) this.faults.add('not_a_count')
    return count ?? 0
  }

  /** Notes what is paid for by other prices than those of the model's tokens. */
  noteOtherPrices(said: Readonly<Record<string, unknown>>): void {
    if (otherTiers.has(said['service_tier']) || otherTiers.has(said['speed'])) this.faults.add('other_tier')
    const { web_search_requests: searches } = partsOf(said, 'server_tool_use')
    if (this.part(searches) + this.part(said['num_sources_used']) > 0) this.faults.add('tool_fees')
  }

  /** The usage, with its faults where there are any. */
  usage(classes: Omit<Usage, 'faults'>): Usage {
    return this.faults.size > 0 ? { ...classes, faults: [...this.faults].toSorted() } : classes
  }

  private whole(value: number): number {
    if (!Number.isInteger(value)) this.faults.add('not_a_count')
    return Math.ceil(value)
  }
}

/** The object under a key, or an empty one. */
export function partsOf(usage: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  const value = usage[key]
  return isRecord(value) ? value : {}
}
