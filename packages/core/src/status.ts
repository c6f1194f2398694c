import type { Admission } from './admission.ts'
import type { BreakerSnapshot } from './breaker/breaker.ts'
import type { EventBus } from './events.ts'
import type { HealthSnapshot } from './health/health-window.ts'
import type { Limit, LimitKind } from './limiter/limits.ts'
import type { Shortage } from './limiter/types.ts'
import type { Failover } from './record.ts'
import type { RouteTable } from './route-table.ts'
import type { Store } from './store/store.ts'
import type { Candidate } from './types.ts'

/** What is known of one model now. */
interface ModelStatus {
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
  readonly limits: readonly LimitStatus[]
  /** What the provider's own headers said is left. */
  readonly learnedLimits: readonly Shortage[]
}

/** A limit, and who shares its count. */
interface LimitStatus {
  readonly group: string
  readonly kind: LimitKind
  readonly limit: number
  readonly scope: Store['scope']
}

/** What the router knows of itself now. */
export interface RouterStatus {
  readonly ready: boolean
  readonly models: readonly ModelStatus[]
  /** The limits of routes and of kinds of callers. */
  readonly limits: readonly LimitStatus[]
  /** How many calls wait, for each limit where any do. */
  readonly queue: Readonly<Record<string, number>>
  /** The last moves from one model to another, oldest first. */
  readonly failovers: readonly Failover[]
}

const failoversKept = 200

/** Keeps the last failovers and gives the status on request. */
export function createStatus(
  routes: RouteTable,
  events: EventBus,
  admission: Admission,
): () => Omit<RouterStatus, 'ready'> {
  const failovers: Failover[] = []
  events.on('failover', (failover) => {
    failovers.push(failover)
    if (failovers.length > failoversKept) failovers.shift()
  })
  return () => ({
    models: routes.models.map((model) => statusOf(model, admission)),
    limits: admission.general.map((limit) => limitStatus(limit, admission)),
    queue: Object.fromEntries(admission.limiter.waiting()),
    failovers: [...failovers],
  })
}

const limitStatus = ({ group, kind, limit, scope }: Limit, { store }: Admission): LimitStatus => ({
  group,
  kind,
  limit,
  scope: scope ?? store.scope,
})

function statusOf({ name, provider, domain, state }: Candidate, admission: Admission): ModelStatus {
  const held = state.hold()
  return {
    name,
    provider,
    domain,
    health: state.health?.snapshot(),
    breaker: state.breaker?.snapshot(),
    readyInMs: state.readyInMs(),
    weightShare: state.penalty.share,
    limits: admission.ofModel(name).map((limit) => limitStatus(limit, admission)),
    learnedLimits: admission.learned.read(`model:${name}`),
    ...(held && { heldFor: held.reason.code }),
  }
}
