import type { LedgerAttempt } from '../ledger/types.ts'
import { type Price, costNanoUsd, inputTokensOf, pricesFor } from '../money/price.ts'

/** Another choice for some of the attempts that were made. */
export interface Change {
  /** The models whose attempts it is about. */
  readonly models: readonly string[]
  /** Only those that used at most so many tokens. @default all */
  readonly maxTokens?: number
  /** Only those that failed. @default false */
  readonly failed?: boolean
  /** The model they would have gone to; undefined where they would not have been made. */
  readonly to?: string
}

/** What a ledger's attempts cost, and would have cost after a change, in nano-USD. */
export interface Replayed {
  readonly attempts: number
  readonly savedNanoUsd: bigint
}

/** Replays attempts under changes, all in one pass: the same tokens at the prices of the other model. */
export function replay(
  attempts: Iterable<LedgerAttempt>,
  changes: readonly Change[],
  priceOf: (model: string) => Price | undefined,
): Replayed[] {
  const results = changes.map(() => ({ attempts: 0, savedNanoUsd: 0n }))
  const prices = changes.map(({ to }) => (to === undefined ? undefined : priceOf(to)))
  for (const attempt of attempts) {
    if (attempt.costNanoUsd === undefined) continue
    for (const [index, change] of changes.entries()) {
      if (!concerns(change, attempt)) continue
      results[index]!.attempts++
      results[index]!.savedNanoUsd += attempt.costNanoUsd - costAt(prices[index], attempt)
    }
  }
  return results
}

function concerns({ models, maxTokens = Infinity, failed = false }: Change, attempt: LedgerAttempt): boolean {
  if (!models.includes(attempt.model) || (failed && attempt.outcome === 'ok')) return false
  return inputTokensOf(attempt) + attempt.outputTokens + attempt.reasoningTokens <= maxTokens
}

function costAt(price: Price | undefined, attempt: LedgerAttempt): bigint {
  return price ? BigInt(costNanoUsd(attempt, pricesFor(price, inputTokensOf(attempt)))) : 0n
}
