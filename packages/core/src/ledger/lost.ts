import type { LedgerAttempt, LedgerCall, LedgerIntent } from './types.ts'

/** The row for an attempt whose process died: the provider may have billed it, so it is charged at its upper bound. */
export function lostAttempt({ boundNanoUsd, ...intent }: LedgerIntent): LedgerAttempt {
  return {
    ...intent,
    outcome: 'lost',
    latencyMs: 0,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    costNanoUsd: boundNanoUsd === undefined ? undefined : BigInt(boundNanoUsd),
    estimated: true,
    overrun: false,
  }
}

/** The entry of its call. A call that ended before its process died has one already. */
export function lostCall({ callKey, callId, time, identity, route }: LedgerIntent): LedgerCall {
  return { callKey, callId, time, identity, route, outcome: 'lost', durationMs: 0, failovers: 0, decision: {} }
}
