import type { BreakerSnapshot } from './breaker/breaker.ts'
import type { EventBus } from './events.ts'
import type { HealthSnapshot } from './health/health-window.ts'
import type { Failover } from './record.ts'
import type { RouteTable } from './route-table.ts'
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
}

/** What the router knows of itself now. */
export interface RouterStatus {
  readonly ready: boolean
  readonly models: readonly ModelStatus[]
  /** The last moves from one model to another, oldest first. */
  readonly failovers: readonly Failover[]
}

const failoversKept = 200

/** Keeps the last failovers and gives the status on request. */
export function createStatus(routes: RouteTable, events: EventBus): () => Omit<RouterStatus, 'ready'> {
  const failovers: Failover[] = []
  events.on('failover', (failover) => {
    failovers.push(failover)
    if (failovers.length > failoversKept) failovers.shift()
  })
  return () => ({ models: routes.models.map(statusOf), failovers: [...failovers] })
}

function statusOf({ name, provider, domain, state }: Candidate): ModelStatus {
  const held = state.hold()
  return {
    name,
    provider,
    domain,
    health: state.health?.snapshot(),
    breaker: state.breaker?.snapshot(),
    readyInMs: state.readyInMs(),
    weightShare: state.penalty.share,
    ...(held && { heldFor: held.reason.code }),
  }
}
