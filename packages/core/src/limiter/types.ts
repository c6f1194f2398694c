import type { Clock } from '../clock.ts'
import type { MaybePromise, Store } from '../store/store.ts'
import type { Priority } from './fair-queue.ts'
import type { Limit, LimitKind, Need } from './limits.ts'

/** Leave to go ahead. It holds its place until it is settled or released; only the first of these counts. */
export interface Permit {
  granted: true
  /** The call is over and has used so many tokens; undefined when it is not known, and the estimate stands. */
  settle(used: { tokens?: number | undefined }): MaybePromise<void>
  /** The call was never made. */
  release(): MaybePromise<void>
}

/** No leave, and nothing is held. */
export interface Refusal {
  granted: false
  /**
   * `limit`: there is no room now. `never`: the call asks for more than the limit. `queue_full`: too many wait already.
   * `deadline`: there was no room before the deadline.
   */
  reason: 'limit' | 'never' | 'queue_full' | 'deadline'
  /** The limit that had no room; behind others in its queue, the one that the first of them waits for. */
  group: string
  kind: LimitKind
  /** 0 where it is not known. */
  limit: number
  remaining: number
  /** Milliseconds until the limit is whole again; undefined for concurrency. */
  resetMs: number | undefined
  /** Milliseconds until there is room if nothing else comes; undefined when only another call's end can make it. */
  retryAfterMs: number | undefined
}

/** What is known from elsewhere to be exhausted, such as the provider's own count. */
export interface Gate {
  /** Whose queue those wait in that it stops. */
  group: string
  /** What is short and for how long; undefined to let it pass. Counts nothing. */
  check(need: Need): Shortage | undefined
  /** Told of what was let through in the end. */
  pass(need: Need): void
}

export type Shortage = Pick<Refusal, 'kind' | 'limit' | 'remaining' | 'resetMs' | 'retryAfterMs'>

export interface AcquireRequest {
  /** Names the holds; unique in the store. */
  id: string
  /** Every limit that applies: all are taken or none. */
  limits: readonly Limit[]
  /** Estimated, output included. */
  tokens: number
  /** @default 1 */
  requests?: number | undefined
  /** The permit is taken for lost so many milliseconds later. @default the limiter's */
  leaseMs?: number | undefined
  gate?: Gate | undefined
}

export interface WaitRequest extends AcquireRequest {
  /** 1 is the most urgent. @default 3 */
  priority?: Priority | undefined
  /** When waiting is in vain, by `clock.now()`. @default none */
  deadline?: number | undefined
  /** Leaves the queue at once when aborted. */
  signal?: AbortSignal | undefined
  /** @default true */
  mayWait?: boolean | undefined
}

export interface LimiterOptions {
  store: Store
  clock: Clock
  queue?: {
    /** For each group. @default 1,000 */
    maximumWaiting?: number
    /** How often the first in a queue looks again where another process, or a lost permit, may make room. @default 1,000 */
    recheckMs?: number
  }
  /** How long a permit may stay out, in milliseconds. @default 900,000 */
  leaseMs?: number
}

/** Says when a call may go ahead. Over a store in memory it answers at once unless the call has to wait. */
export interface Limiter {
  /** Never waits: refuses when there is no room, or when others wait for it already. */
  tryAcquire(request: AcquireRequest): MaybePromise<Permit | Refusal>
  /** Waits its turn where there is no room. Throws or rejects with the signal's reason when that is aborted. */
  acquire(request: WaitRequest): MaybePromise<Permit | Refusal>
  /** Looks again whether there is room for those that wait in a group: its gate has learned something new. */
  recheck(group: string): void
  /** How many wait, for each group where any do. */
  waiting(): ReadonlyMap<string, number>
}
