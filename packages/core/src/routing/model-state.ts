import { type Breaker, type BreakerChange, createBreaker } from '../breaker/breaker.ts'
import { breakerOptions, type Settings } from '../config/defaults.ts'
import type { SignalboxError } from '../errors.ts'
import { type HealthState, type HealthWindow, createHealthWindow } from '../health/health-window.ts'
import { type Hold, createHolds } from '../holds/holds.ts'
import { type RetryBudget, createRetryBudget } from '../retry/budget.ts'
import { type WeightPenalty, createWeightPenalty } from '../strategies/weight-penalty.ts'
import type { Services } from '../types.ts'
import type { EventBus } from '../events.ts'

/** What is known of a model while the router runs. Routes with the same settings for it share what goes by them. */
export interface ModelState {
  readonly breaker: Breaker | undefined
  readonly health: HealthWindow | undefined
  readonly penalty: WeightPenalty
  /** The hold on the model or on all that fails with it. */
  hold(): Hold<SignalboxError> | undefined
  /** Keeps calls away from the model at its provider, or from its whole domain. */
  holdFor(scope: 'model' | 'domain', forMs: number, reason: SignalboxError): void
  /** Milliseconds until a call may start; 0 when it may start now. */
  readyInMs(): number
  readonly healthState: HealthState
}

/** What tells one model's state from another's. */
interface ModelKey {
  readonly name: string
  /** The provider's own name for it. */
  readonly model: string
  readonly domain: string
}

/** The states of all models of a router. */
export interface ModelStates {
  of(key: ModelKey, settings: Settings): ModelState
  /** The retries that all models of a domain share. */
  budgetOf(domain: string, settings: Settings): RetryBudget
}

/**
 * Makes states on demand: a breaker and a health for each model and the settings of these, one penalty for each model;
 * budgets and holds go by domain.
 */
export function createModelStates({ clock, events }: Services & { readonly events: EventBus }): ModelStates {
  const states = new Map<string, ModelState>()
  const breakers = new Map<string, Breaker>()
  const healths = new Map<string, HealthWindow>()
  const penalties = new Map<string, WeightPenalty>()
  const budgets = new Map<string, RetryBudget>()
  const holds = createHolds<SignalboxError>(clock)

  function budgetOf(domain: string, { retry }: Settings): RetryBudget {
    const key = JSON.stringify([domain, retry.budgetRatio, retry.budgetPerSecond])
    return memo(budgets, key, () =>
      createRetryBudget({ ratio: retry.budgetRatio, minimumPerSecond: retry.budgetPerSecond }, clock),
    )
  }

  function breakerOf({ name: model }: ModelKey, settings: Exclude<Settings['breaker'], false>): Breaker {
    const onChange = (change: BreakerChange) => events.emit('breaker.changed', { model, ...change })
    return memo(breakers, JSON.stringify([model, settings]), () =>
      createBreaker(breakerOptions(settings), { clock, onChange }),
    )
  }

  function healthOf({ name }: ModelKey, settings: Exclude<Settings['health'], false>): HealthWindow {
    return memo(healths, JSON.stringify([name, settings]), () => createHealthWindow(healthOptions(settings), clock))
  }

  function create(key: ModelKey, settings: Settings): ModelState {
    const breaker = settings.breaker && breakerOf(key, settings.breaker)
    const health = settings.health && healthOf(key, settings.health)
    const scopes = { model: JSON.stringify([key.domain, key.model]), domain: key.domain }
    const hold = () => holds.find(scopes.domain) ?? holds.find(scopes.model)
    return {
      breaker: breaker || undefined,
      health: health || undefined,
      penalty: memo(penalties, key.name, () => createWeightPenalty({}, clock)),
      hold,
      holdFor: (scope, forMs, reason) => holds.hold(scopes[scope], forMs, reason),
      readyInMs: () => Math.max((hold()?.untilMs ?? 0) - clock.now(), breaker ? breaker.retryAfterMs() : 0, 0),
      get healthState() {
        return health ? health.state : 'healthy'
      },
    }
  }

  return {
    of: (key, settings) =>
      memo(states, JSON.stringify([key.name, settings.breaker, settings.health]), () => create(key, settings)),
    budgetOf,
  }
}

function healthOptions({ windowMs, minimumCalls, unhealthy, degraded }: Exclude<Settings['health'], false>) {
  return {
    ...(windowMs !== undefined && { windowMs }),
    ...(minimumCalls !== undefined && { minimumCalls }),
    ...(unhealthy && { unhealthy }),
    ...(degraded && { degraded }),
  }
}

function memo<T>(made: Map<string, T>, key: string, make: () => T): T {
  let one = made.get(key)
  if (one === undefined) made.set(key, (one = make()))
  return one
}
