import { type Billed, SignalboxError, isSignalboxError } from '../errors.ts'
import type { EventBus } from '../events.ts'
import { type UnitPrices, costNanoUsd, inputTokensOf, pricesFor } from '../money/price.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { type AttemptRecord, type CallRecord, outcomesOfEnds } from '../record.ts'
import type { Attempt, Usage } from '../types.ts'
import { tellBegun, tellEnded } from '../money/held-money.ts'

/**
 * Writes every attempt into the call's record with what it used and cost, tells of it, lets its domain earn retries by the
 * first ones, and raises the operator's alerts.
 */
export function meter({ clock, events, prices }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'meter',
    attempt: {
      run(attempt, next) {
        const { record } = attempt.call
        const entry: AttemptRecord = {
          model: attempt.candidate.name,
          provider: attempt.candidate.provider,
          number: attempt.number,
          startedMs: since(record),
          outcome: 'pending',
        }
        attempt.onSend?.(entry)
        if (entry.number === 1) attempt.candidate.retryBudget.recordRequest()
        record.attempts.push(entry)
        tellBegun(attempt.held, entry)
        if (events.heard('attempt.started')) events.emit('attempt.started', { record, attempt: entry })
        return next({ ...attempt, entry }).then(
          (reply) => {
            entry.committedMs = since(record)
            entry.outcome = 'ok'
            entry.status = reply.status
            void reply.ended.then((ended) => {
              entry.endedMs = since(record)
              entry.outcome = outcomesOfEnds[ended.how]
              bill(entry, ended, attempt)
              if (events.heard('attempt.ended')) events.emit('attempt.ended', { record, attempt: entry })
              tellEnded(attempt.held)
            })
            return reply
          },
          (error: unknown) => {
            entry.endedMs = since(record)
            entry.outcome = isSignalboxError(error) ? error.code : 'internal_error'
            if (isSignalboxError(error)) {
              explain(entry, error)
              if (error.billed) bill(entry, error.billed, attempt)
            }
            if (events.heard('attempt.ended')) events.emit('attempt.ended', { record, attempt: entry, error })
            tellEnded(attempt.held)
            if (isSignalboxError(error)) alert(error, attempt, events)
            throw error
          },
        )
      },
    },
  })

  function since({ startedMs }: CallRecord): number {
    return clock.now() - startedMs
  }

  /** Charges at the price that held when the attempt began: it may have changed since. */
  function bill(entry: AttemptRecord, { usage, estimated }: Billed, { call, held }: Attempt): void {
    const price = prices.priceOf(entry.model, call.record.startedAt + entry.startedMs, call.surface)
    const unitPrices = price && pricesFor(price, inputTokensOf(usage))
    entry.usage = unitPrices ? flagged(usage, unitPrices) : usage
    entry.estimated = estimated
    const { faults } = entry.usage
    if (faults) {
      const message = `What the provider says was used is out of the ordinary: ${faults.join(', ')}`
      events.emit('warning', { kind: 'odd_usage', message, callId: call.id, model: entry.model })
    }
    if (!unitPrices) return
    entry.prices = unitPrices
    entry.priceSource = price.source
    entry.costNanoUsd = costNanoUsd(usage, entry.prices)
    if (held && entry.costNanoUsd > held.nanoUsd) entry.overrun = true
  }
}

/** A usage whose hour-long cache writes have no price of their own says so. */
function flagged(usage: Usage, { longCacheWrite }: UnitPrices): Usage {
  if (usage.longCacheWriteTokens === undefined || longCacheWrite !== undefined) return usage
  return { ...usage, faults: [...(usage.faults ?? []), 'long_cache_write' as const].toSorted() }
}

function explain(entry: AttemptRecord, { message, status }: SignalboxError): void {
  entry.message = message
  if (status !== undefined) entry.status = status
}

const alerts = {
  provider_auth_failed: 'provider_auth',
  upstream_quota_exhausted: 'provider_quota',
  provider_model_not_found: 'provider_model',
} as const

function alert(error: SignalboxError, { candidate }: Attempt, events: EventBus): void {
  const kind = alerts[error.code as keyof typeof alerts] as (typeof alerts)[keyof typeof alerts] | undefined
  if (kind) events.emit('alert', { kind, model: candidate.name, domain: candidate.domain, message: error.message })
}
