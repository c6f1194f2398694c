import { EventEmitter } from 'eventemitter3'
import type { BreakerChange } from './breaker/breaker.ts'
import type { Feedback } from './feedback.ts'
import type { BudgetScope } from './money/budget.ts'
import type { AttemptRecord, CacheRecord, CallRecord, Failover } from './record.ts'
import type { StoreChange } from './store/steady.ts'
import type { Ended, Logger } from './types.ts'

/** Something the operator should act on: a key that is refused, a quota that is used up, a model that is not there. */
export interface Alert {
  readonly kind: 'provider_auth' | 'provider_quota' | 'provider_model'
  readonly model: string
  readonly domain: string
  readonly message: string
}

/** Something odd that was dealt with. */
export interface Warning {
  readonly kind:
    | 'cache_failed'
    | 'malformed_event'
    | 'ignored_retry_after'
    | 'keys_unreadable'
    | 'odd_usage'
    | 'plugin_skipped'
    | 'plugin_failed'
  readonly message: string
  readonly callId?: string
  readonly model?: string
  readonly plugin?: string
}

/** The account of a budget that an event tells of. */
export interface BudgetTelling {
  readonly per: BudgetScope
  readonly bucket: string
  readonly period: string
  readonly limitUsd: string
}

/** Every event of a router and what it carries. */
export interface RouterEvents {
  'call.started': { readonly record: CallRecord }
  'call.ended': { readonly record: CallRecord; readonly ended?: Ended; readonly error?: unknown }
  'attempt.started': { readonly record: CallRecord; readonly attempt: AttemptRecord }
  'attempt.ended': { readonly record: CallRecord; readonly attempt: AttemptRecord; readonly error?: unknown }
  failover: Failover
  /** The cache was asked for a call. */
  cache: CacheRecord & { readonly callId: string; readonly route: string }
  alert: Alert
  /** A model's breaker opened, asked for a probe, or closed. */
  'breaker.changed': BreakerChange & { readonly model: string }
  /** A call is safe in the ledger. */
  entry: { readonly callKey: string }
  /** Somebody said how good the answer of a call was. */
  feedback: Feedback
  /**
   * The ledger could not be written: what was to be written is kept, and tried again. Or what a call cost could not be posted
   * to a budget, or a budget's refusal be told.
   */
  'ledger.failed': { readonly error: unknown }
  /** The shared store cannot be reached, or can again. */
  'store.changed': StoreChange
  /** A share of a budget is used; told once for each account and period, or rolling window, by whoever shares the store. */
  'budget.alert': BudgetTelling & { readonly share: number; readonly settledUsd: string; readonly heldUsd: string }
  /** A budget refused a call; told once likewise. */
  'budget.refused': BudgetTelling & { readonly remainingUsd: string }
  /** A call is tried although nothing on its route looks well. */
  'last.resort': { readonly callId: string; readonly route: string; readonly model: string; readonly health: string }
  warning: Warning
  /** A listener of another event threw or rejected. */
  'listener.failed': { readonly event: string; readonly error: unknown }
}

/** The name of an event. */
export type RouterEvent = keyof RouterEvents

/** Listening to a router. */
export interface Events {
  /** Calls the listener at each such event until the function returned is called. What it throws never touches a call. */
  on<E extends RouterEvent>(event: E, listener: (payload: RouterEvents[E]) => unknown): () => void
}

/** Listening and telling: what the parts of the router hold. */
export interface EventBus extends Events {
  emit<E extends RouterEvent>(event: E, payload: RouterEvents[E]): void
  /** Whether anybody listens, so that work for listeners alone can be left out. */
  heard(event: RouterEvent): boolean
}

/** An event bus whose listeners cannot fail a call: what they throw is told as `listener.failed` and logged. */
export function createEvents(logger: Logger | undefined): EventBus {
  const emitter = new EventEmitter<RouterEvent>()

  const failed = (event: RouterEvent, error: unknown) => {
    logger?.warn({ err: error, event }, 'a listener of a router event failed')
    if (event !== 'listener.failed') bus.emit('listener.failed', { event, error })
  }

  const bus: EventBus = {
    on(event, listener) {
      const safely = (payload: RouterEvents[typeof event]) => {
        try {
          const result = listener(payload)
          if (result instanceof Promise) result.catch((error: unknown) => failed(event, error))
        } catch (error) {
          failed(event, error)
        }
      }
      emitter.on(event, safely)
      return () => void emitter.off(event, safely)
    },
    emit: (event, payload) => void emitter.emit(event, payload),
    heard: (event) => emitter.listenerCount(event) > 0,
  }
  return bus
}
