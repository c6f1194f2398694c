import type { Admission } from './admission.ts'
import type { CacheStatus } from './call-cache/answer-cache.ts'
import type { BreakerSnapshot } from './breaker/breaker.ts'
import type { EventBus } from './events.ts'
import type { HealthSnapshot } from './health/health-window.ts'
import type { Limit, LimitKind } from './limiter/limits.ts'
import type { Shortage } from './limiter/types.ts'
import type { Failover } from './record.ts'
import type { RouteTable } from './routing/route-table.ts'
import { type BudgetSettings, whenDownOf } from './money/budget.ts'
import type { OpenStore } from './store/open.ts'
import type { Store, WhenDown } from './store/store.ts'
import type { Candidate } from './types.ts'

/** What is known of one model now. */
export interface ModelStatus {
  readonly name: string
  readonly provider: string
  readonly domain: string
  readonly health: HealthSnapshot | undefined
  readonly breaker: BreakerSnapshot | undefined
  /** Milliseconds until a call to it may start; 0 when it may start now. */
  readonly readyInMs: number
  /** Why calls are kept away from it, where they are. */
  readonly heldFor?: string
  /** The share of its weight that rate limits have left it. */
  readonly weightShare: number
  /** Its limits, and who shares their counts. */
  readonly limits: readonly CountedLimit[]
  /** What the provider's own headers said is left. */
  readonly learnedLimits: readonly Shortage[]
  /** How it stands on routes that have a breaker or a health of their own for it; absent where none has. */
  readonly onRoutes?: Readonly<Record<string, Pick<ModelStatus, 'health' | 'breaker' | 'readyInMs'>>>
}

/** A limit, and who shares its count. */
export interface CountedLimit {
  readonly group: string
  readonly kind: LimitKind
  readonly limit: number
  readonly scope: Store['scope']
  /** What is done while the store cannot be reached. */
  readonly whenStoreDown: WhenDown
}

/** A budget, and who shares its count. */
export interface CountedBudget extends Pick<BudgetSettings, 'per' | 'window' | 'limitUsd'> {
  readonly soft: boolean
  readonly scope: Store['scope']
  readonly whenStoreDown: WhenDown
}

/** What the router knows of itself now. */
export interface RouterStatus {
  readonly ready: boolean
  readonly models: readonly ModelStatus[]
  /** The limits of routes and of kinds of callers. */
  readonly limits: readonly CountedLimit[]
  readonly budgets: readonly CountedBudget[]
  /** What limits and budgets are counted in: who shares it, and whether it can be reached. */
  readonly store: { readonly scope: Store['scope']; readonly up: boolean }
  /** How many calls wait, for each limit where any do. */
  readonly queue: Readonly<Record<string, number>>
  /** How the cache has done; absent where there is none. */
  readonly cache?: CacheStatus
  /** The last moves from one model to another, oldest first. */
  readonly failovers: readonly Failover[]
}

const failoversKept = 200

/** Keeps the last failovers and gives the status on request. */
export function createStatus({
  routes,
  events,
  admission,
  budgets,
  opened: { store, isUp },
}: StatusSources): () => Omit<RouterStatus, 'ready'> {
  const failovers: Failover[] = []
  events.on('failover', (failover) => {
    failovers.push(failover)
    if (failovers.length > failoversKept) failovers.shift()
  })
  return () => ({
    models: routes.models.map((model) => ({ ...statusOf(model, admission), ...statusOnRoutes(model, routes) })),
    limits: admission.general.map((limit) => limitStatus(limit, admission)),
    budgets: budgets.map((budget) => budgetStatus(budget, store)),
    store: { scope: store.scope, up: isUp() },
    queue: Object.fromEntries(admission.limiter.waiting()),
    failovers: [...failovers],
  })
}

/** What a status is drawn from. */
interface StatusSources {
  readonly routes: RouteTable
  readonly events: EventBus
  readonly admission: Admission
  readonly budgets: readonly BudgetSettings[]
  readonly opened: Pick<OpenStore, 'store' | 'isUp'>
}

const limitStatus = ({ group, kind, limit, scope, whenDown }: Limit, { store }: Admission): CountedLimit => ({
  group,
  kind,
  limit,
  scope: scope ?? store.scope,
  whenStoreDown: whenDown,
})

function budgetStatus(settings: BudgetSettings, { scope }: Store): CountedBudget {
  const { per, window, limitUsd, soft = false } = settings
  return { per, window, limitUsd, soft, scope, whenStoreDown: whenDownOf(settings) }
}

const standingOf = ({ state }: Candidate) => ({
  health: state.health?.snapshot(),
  breaker: state.breaker?.snapshot(),
  readyInMs: state.readyInMs(),
})

function statusOnRoutes({ name, state }: Candidate, routes: RouteTable): Pick<ModelStatus, 'onRoutes'> {
  const others = routes.names.flatMap((route) => {
    const there = routes.find(route)!.candidates.get(name)
    return there && there.state !== state ? [[route, standingOf(there)] as const] : []
  })
  return others.length > 0 ? { onRoutes: Object.fromEntries(others) } : {}
}

function statusOf(model: Candidate, admission: Admission): ModelStatus {
  const { name, provider, domain, state } = model
  const held = state.hold()
  return {
    name,
    provider,
    domain,
    ...standingOf(model),
    weightShare: state.penalty.share,
    limits: admission.ofModel(name).map((limit) => limitStatus(limit, admission)),
    learnedLimits: admission.learned.read(`model:${name}`),
    ...(held && { heldFor: held.reason.code }),
  }
}
