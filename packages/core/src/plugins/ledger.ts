import { decisionOf } from '../routing/decision.ts'
import type { LedgerAttempt, LedgerCall, LedgerIntent } from '../ledger/types.ts'
import { boundNanoUsd } from '../money/price.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { AttemptRecord, CallRecord } from '../record.ts'
import { tokenBoundsOf } from '../tokens/attempt-bounds.ts'
import type { Attempt } from '../types.ts'
import { ledgerUnavailable } from '../ledger/unavailable.ts'

/** Writes every call and attempt into the ledger: an attempt before it is sent, and again when it has ended. */
export function ledger({ ledger: book, prices, clock, events: bus }: BuiltInServices): Plugin {
  if (!book) return definePlugin({ name: 'ledger' })
  return definePlugin({
    name: 'ledger',
    setup({ events }) {
      events.on('attempt.ended', ({ record, attempt }) => book.post(attemptRow(record, attempt)))
      events.on('call.ended', ({ record }) => book.close(callRow(record)))
    },
    attempt: {
      enforce: 'post',
      run(attempt, next) {
        begin(attempt)
        return next(attempt)
      },
    },
    close: () => book.end(),
  })

  /** Where a budget counts, nothing is sent that the ledger could lose, unless it is said to be open. */
  function begin(attempt: Attempt): void {
    try {
      book!.begin(intentOf(attempt))
    } catch (error) {
      bus.emit('ledger.failed', { error })
      if (attempt.held && !attempt.held.mayGoUnwritten) throw ledgerUnavailable(error)
    }
  }

  function intentOf(attempt: Attempt): LedgerIntent {
    const { call, candidate, entry } = attempt
    const time = clock.wallTime()
    const { record, identity } = call
    const bounds = tokenBoundsOf(attempt)
    const price = prices.priceOf(candidate.name, time, call.surface)
    return {
      callKey: record.key,
      place: call.record.attempts.indexOf(entry!),
      callId: call.id,
      time,
      identity,
      route: record.route,
      model: candidate.name,
      provider: candidate.provider,
      ...bounds,
      boundNanoUsd: price && boundNanoUsd(bounds, price),
      prices: price?.base,
      priceSource: price?.source,
    }
  }
}

function attemptRow(record: CallRecord, attempt: AttemptRecord): LedgerAttempt {
  const { usage, costNanoUsd } = attempt
  const unbilled = usage === undefined ? 0n : undefined
  return {
    callKey: record.key,
    place: record.attempts.indexOf(attempt),
    callId: record.id,
    time: Math.floor(record.startedAt + attempt.startedMs),
    identity: record.identity,
    route: record.route,
    model: attempt.model,
    provider: attempt.provider,
    outcome: attempt.outcome,
    status: attempt.status,
    latencyMs: (attempt.endedMs ?? attempt.startedMs) - attempt.startedMs,
    firstTokenMs: attempt.committedMs === undefined ? undefined : attempt.committedMs - attempt.startedMs,
    inputTokens: usage?.inputTokens ?? 0,
    cachedInputTokens: usage?.cachedInputTokens ?? 0,
    cacheWriteTokens: usage?.cacheWriteTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    reasoningTokens: usage?.reasoningTokens ?? 0,
    longCacheWriteTokens: usage?.longCacheWriteTokens,
    costNanoUsd: costNanoUsd === undefined ? unbilled : BigInt(costNanoUsd),
    estimated: attempt.estimated ?? false,
    overrun: attempt.overrun ?? false,
    prices: attempt.prices,
    priceSource: attempt.priceSource,
    usageFaults: usage?.faults,
    fingerprint: record.fingerprint,
  }
}

function callRow(record: CallRecord): LedgerCall {
  const { key, id, parent, startedAt, identity, route, model, outcome, durationMs, failovers, cache, cascade } = record
  return {
    callKey: key,
    callId: id,
    parent,
    time: startedAt,
    identity,
    route,
    model,
    outcome,
    durationMs: durationMs ?? 0,
    failovers: failovers.length,
    decision: { ...decisionOf(record), failovers, ...(cache && { cache }), ...(cascade && { cascade }) },
  }
}
