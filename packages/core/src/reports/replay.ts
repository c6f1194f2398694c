import type { SpentAttempt } from '../ledger/types.ts'
import { type Price, costNanoUsd, inputTokensOf, pricesFor } from '../money/price.ts'

/** Another choice for some of the attempts that were made. */
export interface Change {
  /** The models whose attempts it is about. @default all */
  readonly models?: readonly string[]
  /** Only those that used at most so many tokens. @default all */
  readonly maxTokens?: number
  /** Only those that failed. @default false */
  readonly failed?: boolean
  /** Only those that a cache would have spared that keeps answers so long, in milliseconds. @default all */
  readonly cacheMs?: number
  /** The model they would have gone to; undefined where they would not have been made. */
  readonly to?: string
}

/** What a ledger's attempts cost, and would have cost after a change, in nano-USD. */
export interface Replayed {
  readonly attempts: number
  readonly savedNanoUsd: bigint
}

/** Replays attempts, oldest first, under changes, all in one pass: the same tokens at the prices of the other model. */
export function replay(
  attempts: Iterable<SpentAttempt>,
  changes: readonly Change[],
  priceOf: (model: string) => Price | undefined,
): Replayed[] {
  const results = changes.map(() => ({ attempts: 0, savedNanoUsd: 0n }))
  const prices = changes.map(({ to }) => (to === undefined ? undefined : priceOf(to)))
  const caches = changes.map(({ cacheMs }) => (cacheMs === undefined ? undefined : createCacheReplay(cacheMs)))
  for (const attempt of attempts) {
    for (const [index, change] of changes.entries()) {
      const isSpared = caches[index]?.(attempt) ?? true
      if (!isSpared || attempt.costNanoUsd === undefined || !concerns(change, attempt)) continue
      results[index]!.attempts++
      results[index]!.savedNanoUsd += attempt.costNanoUsd - costAt(prices[index], attempt)
    }
  }
  return results
}

function concerns({ models, maxTokens = Infinity, failed = false }: Change, attempt: SpentAttempt): boolean {
  if ((models && !models.includes(attempt.model)) || (failed && attempt.outcome === 'ok')) return false
  return inputTokensOf(attempt) + attempt.outputTokens + attempt.reasoningTokens <= maxTokens
}

/**
 * Tells of attempts, oldest first, whether a cache would have spared them. Whoever asks the same while an answer is made
 * shares it; then it is kept for a time. A call that finds its answer makes none of its attempts.
 */
function createCacheReplay(keptMs: number): (attempt: SpentAttempt) => boolean {
  const answers = new Map<string, number>()
  const spared = new Set<string>()

  function forget(time: number): void {
    for (const [fingerprint, until] of answers) {
      if (until >= time) return
      answers.delete(fingerprint)
    }
  }

  return function isSpared({ callKey, place, time, outcome, latencyMs, fingerprint }) {
    if (fingerprint === undefined) return false
    if (spared.has(callKey)) return true
    if (place === 0 && time <= (answers.get(fingerprint) ?? -Infinity)) {
      spared.add(callKey)
      return true
    }
    if (outcome !== 'ok') return false
    forget(time)
    answers.delete(fingerprint)
    answers.set(fingerprint, time + latencyMs + keptMs)
    return false
  }
}

function costAt(price: Price | undefined, attempt: SpentAttempt): bigint {
  return price ? BigInt(costNanoUsd(attempt, pricesFor(price, inputTokensOf(attempt)))) : 0n
}
