import type { BreakerState } from './breaker/breaker.ts'
import type { RequestFacts } from './routing/decision.ts'
import type { SignalboxErrorCode } from './errors.ts'
import type { HealthState } from './health/health-window.ts'
import type { Price, UnitPrices } from './money/price.ts'
import type { Ended, Identity, Usage } from './types.ts'
import type { Ranked } from './strategies/strategy.ts'

/** One attempt of a call, as it went. Times are milliseconds since the call began. */
export interface AttemptRecord {
  readonly model: string
  readonly provider: string
  /** 1 for the first attempt at this model. */
  readonly number: number
  readonly startedMs: number
  /** When the first content of a stream, or the whole of a plain answer, was there. */
  committedMs?: number
  endedMs?: number
  /** `pending` until it has ended; `ok`, or the code it failed with. */
  outcome: 'pending' | 'ok' | SignalboxErrorCode
  /** The provider's status, where it answered. */
  status?: number
  /** What it failed with, in words fit for a caller. */
  message?: string
  usage?: Usage
  /** What it cost in nano-USD, rounded up; absent where nothing could be billed, or the price is unknown. */
  costNanoUsd?: number
  /** The unit prices that were used, in pico-USD per token, and where they are known from. */
  prices?: UnitPrices
  priceSource?: string
  /** Whether it cost more than was held for it. */
  overrun?: boolean
  /** Whether the usage was counted here because the provider did not say. */
  estimated?: boolean
  /** The most tokens it was let write in each choice, where the money that was left paid for no more. */
  outputCap?: number
}

/** A move from one model to another. */
export interface Failover {
  readonly callId: string
  readonly route: string
  readonly from: string
  readonly to: string
  readonly reason: SignalboxErrorCode
  /** Milliseconds since the Unix epoch. */
  readonly time: number
}

/** A candidate as it looked at the decision, and why it stands where it does. */
export interface CandidateRecord extends Ranked {
  readonly reason: string
  readonly health: HealthState
  readonly breaker: BreakerState
  /** Its weight at that moment: rate limits cut it for a time. */
  readonly weight: number
  /** Milliseconds until a call to it could start. */
  readonly readyInMs: number
  /** What its tokens cost, where the decision looked at that. */
  readonly price?: Price
}

/** How long a hook took by itself: the time inside `next` is that of the hooks further in. */
export interface HookTime {
  readonly ring: 'call' | 'attempt'
  readonly plugin: string
  ms: number
}

/** What a cache had to do with a call. */
export interface CacheRecord {
  /** `joined`: the call shared the answer of another one under way. `stale`: it got an old answer, and had a new one made. */
  readonly outcome: 'hit' | 'stale' | 'joined' | 'miss' | 'bypass'
  /** The layer that had the answer. */
  readonly layer?: string
  /** How old the answer was, in milliseconds. */
  readonly ageMs?: number
  /** The bytes of the answer that were not asked for again. */
  readonly bytes?: number
  /** What the answer cost when it was made, in nano-USD. */
  readonly savedNanoUsd?: number
  /** How much longer it took when it was made, in milliseconds. */
  readonly savedMs?: number
}

/** What a cascade made of the answer of a cheap model. */
export interface CascadeRecord {
  /** `skipped`: the cheap models were not asked, because nothing could verify their answer. */
  readonly verdict: 'accepted' | 'rejected' | 'skipped'
  /** The model whose answer was verified. */
  readonly model?: string
  /** The verifier that decided; all of them where all accept. */
  readonly verifier?: string
  /** What the verifier said. */
  readonly reason: string
  /** Whether the call went on to the strong models. */
  readonly escalated: boolean
}

/** Everything a call decided and did, written as it happens. */
export interface CallRecord {
  readonly id: string
  /** Names the call wherever something is counted for it: never comes twice. */
  readonly key: string
  readonly parent?: string
  identity: Identity
  readonly route: string
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number
  /** The same instant on the router's monotonic clock. */
  readonly startedMs: number
  /** Seeds the chance in the decision, so that it can be made again. */
  readonly seed: number
  /** Names the policy that decides: the same for the same models, routes and plugins. */
  readonly policy: string
  labels: Readonly<Record<string, string>>
  strategy: string
  /** When it was decided, on the router's monotonic clock; absent until then. */
  decidedMs?: number
  /** What the decision may have gone by of the request; there in `explain`, and where somebody hears of `call.ended`. */
  facts?: RequestFacts
  /** The order in which the models stood to be tried. */
  candidates: readonly CandidateRecord[]
  /** The models of the route that were not to be tried, and why. */
  passedOver: readonly CandidateRecord[]
  /** What the strategy went by besides: what its `assess` gave. */
  assessment?: unknown
  readonly attempts: AttemptRecord[]
  readonly failovers: Failover[]
  /** The model that answered. */
  model?: string
  outcome: 'pending' | 'ok' | SignalboxErrorCode
  durationMs?: number
  /** What a cache had to do with it; absent where there is none. */
  cache?: CacheRecord
  /** Stands for what was asked; absent unless `fingerprints` asks for it, or where no cache could answer. */
  fingerprint?: string
  /** The route that a budget near its end sent it by, where that was another one than it asked for. */
  degradedTo?: string
  /** What a cascade made of a cheap answer; absent where none was verified. */
  cascade?: CascadeRecord
  /** How long each hook took, in the order in which they began; absent unless `hookTimes` asks for it. */
  hookTimes?: HookTime[]
}

/** A record with nothing in it yet. */
export function createRecord(
  start: Pick<
    CallRecord,
    'id' | 'key' | 'parent' | 'identity' | 'route' | 'startedAt' | 'startedMs' | 'seed' | 'policy'
  >,
): CallRecord {
  const { id, key, parent, identity, route, startedAt, startedMs, seed, policy } = start
  return {
    id,
    key,
    identity,
    route,
    startedAt,
    startedMs,
    seed,
    policy,
    labels: {},
    strategy: '',
    candidates: [],
    passedOver: [],
    attempts: [],
    failovers: [],
    outcome: 'pending',
    ...(parent !== undefined && { parent }),
  }
}

/** What became of an answer that had begun, by how it ended. */
export const outcomesOfEnds: Record<Ended['how'], AttemptRecord['outcome']> = {
  complete: 'ok',
  cut: 'stream_interrupted',
  stalled: 'stream_timeout',
  cancelled: 'cancelled',
}
