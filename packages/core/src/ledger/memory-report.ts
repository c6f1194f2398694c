import { costNanoUsd, inputTokensOf, pricesFor } from '../money/price.ts'
import type { RawName } from '../reports/gather.ts'
import { Latencies } from '../reports/latencies.ts'
import type { ReportSource } from '../reports/report.ts'
import { isUnpriced, matches } from './in-memory.ts'
import type { LedgerAttempt, LedgerCall, LedgerGroup } from './types.ts'

type Rows<T> = () => Iterable<T>

/** Makes reports from what stands in memory. */
export function memoryReportSource(attempts: Rows<LedgerAttempt>, calls: Rows<LedgerCall>): ReportSource {
  return {
    gather(by, query, into, baseline) {
      const seen = new Set<string>()
      for (const attempt of [...attempts()].toSorted((a, b) => a.place - b.place)) {
        const { callKey, model, costNanoUsd: cost, latencyMs } = attempt
        const atModel = JSON.stringify([callKey, model])
        const isFirst = !seen.has(atModel)
        seen.add(atModel)
        if (!matches(attempt, query)) continue
        into.add(nameOf(by, attempt), {
          attempts: 1,
          unpricedAttempts: Number(isUnpriced(attempt)),
          inputTokens: attempt.inputTokens + attempt.cacheWriteTokens,
          cachedInputTokens: attempt.cachedInputTokens,
          outputTokens: attempt.outputTokens + attempt.reasoningTokens,
          reasoningTokens: attempt.reasoningTokens,
          costNanoUsd: cost ?? 0n,
          baselineNanoUsd:
            cost === undefined || !baseline
              ? 0n
              : BigInt(costNanoUsd(attempt, pricesFor(baseline, inputTokensOf(attempt)))),
          ...(!into.countsCalls && { ...went(attempt, latencyMs), calls: Number(attempt.place === 0) }),
        })
        if (!into.countsCalls && isFirst && attempt.place > 0) into.addLaterCalls(model, 1)
      }
      if (!into.countsCalls) return
      for (const call of calls())
        if (matches(call, query)) into.add(nameOf(by, call), { ...went(call, call.durationMs), calls: 1 })
    },
    recent: () => [...attempts()].toSorted((a, b) => b.time - a.time).slice(0, 1_000),
  }
}

function went({ outcome, time }: LedgerAttempt | LedgerCall, latencyMs: number) {
  const latencies = new Latencies()
  latencies.add(latencyMs)
  return { uses: 1, successes: Number(outcome === 'ok'), latencySumMs: latencyMs, lastTime: time, latencies }
}

const dayMs = 86_400_000

function nameOf(by: LedgerGroup, { identity, route, model, time }: LedgerAttempt | LedgerCall): RawName {
  if (by === 'day') return Math.floor(time / dayMs)
  if (by === 'tag') return JSON.stringify(identity.tags ?? [])
  return { model, route, user: identity.user, key: identity.key, team: identity.team }[by] ?? null
}
