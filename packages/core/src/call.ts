import { randomUUID } from 'node:crypto'
import { seededRandom } from './clock.ts'
import { dialects } from './dialects/index.ts'
import { JsonRequest } from './dialects/json-request.ts'
import { SignalboxError } from './errors.ts'
import { newId } from './new-id.ts'
import { nanoUsdOf } from './money/usd.ts'
import { nobody, readIdentity } from './identity.ts'
import { createRecord } from './record.ts'
import type { Route, RouteTable } from './routing/route-table.ts'
import type { SeenRequests } from './call-cache/seen-requests.ts'
import type { Call, DialectName, Identity, Logger, Services } from './types.ts'

/** What a call is made of. Only `body` is needed. */
export interface CallInit {
  /** The request in the dialect's wire format: an object, or the bytes of one. */
  readonly body: object | Uint8Array
  /**
   * Whether nobody writes into the memory of `body` any more. What was parsed of it is then let go of once an answer streams,
   * and parsed again for whoever asks. @default false
   */
  readonly ownsBody?: boolean
  /** @default 'openai-chat' */
  readonly dialect?: DialectName | undefined
  /** @default nobody in particular */
  readonly identity?: Identity | undefined
  /** Aborts the call, and the upstream with it. */
  readonly signal?: AbortSignal | undefined
  /** Aborts the call like `signal`. The router aborts it too where it ends the call itself, and needs no second one. */
  readonly end?: AbortController
  /** @default a new UUID, which begins with the time */
  readonly id?: string | undefined
  /** The call on whose behalf this one is made. */
  readonly parent?: string | undefined
  /** The plugins that make it. Their hooks are left out of it. */
  readonly madeBy?: readonly string[] | undefined
  /** Headers that go on to the provider. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Shortens the time the whole call may take, in milliseconds; it cannot lengthen it. */
  readonly timeoutMs?: number | undefined
  /** The most the call may cost, in US dollars; the route's and the identity's bounds hold besides. */
  readonly maxCostUsd?: number | undefined
  readonly log?: Logger | undefined
  /** What the caller wants of a cache, as HTTP's `Cache-Control` says it: `no-cache`, `no-store`, `max-age=SECONDS`. */
  readonly cacheControl?: string | undefined
  /** Calls of one caller with the same one are one call: the second gets the answer of the first. */
  readonly idempotencyKey?: string | undefined
}

/** Tells this process from all others, also from an earlier one with the same number. */
const processTag = randomUUID().slice(0, 18)
let calls = 0

const nothing = Object.freeze({})

const parse = (dialect: DialectName, body: object | Uint8Array) => dialects[dialect].parse(body)

/** What calls are made with. */
export interface CallServices extends Services {
  readonly routes: RouteTable
  /** Requests that need not be parsed again; undefined where nothing is kept of any. */
  readonly seen?: SeenRequests | undefined
  /** Names the policy that decides. */
  readonly policy: string
}

/** What a call belongs to. */
export interface CallTies {
  /** Ends the call: with it the caller leaves, or the router closes. */
  readonly end: AbortController
  /** The call on whose behalf this one is made. */
  readonly madeFor?: Call | undefined
}

/**
 * Makes a call of what was given.
 *
 * @throws SignalboxError `invalid_json`, `invalid_body`, `model_not_found`, `internal_error` for an identity that is none, or
 * `invalid_config` for a bound on the cost that is no amount
 */
export function createCall(
  init: CallInit,
  { routes, seen, clock, random, logger, policy }: CallServices,
  { end, madeFor }: CallTies,
): Call {
  const { dialect = 'openai-chat', id = newId(), parent, madeBy } = init
  const identity = readIdentity(init.identity ?? nobody)
  const { surface } = dialects[dialect]
  const request = (seen?.read ?? parse)(dialect, init.body)
  if (init.ownsBody && request instanceof JsonRequest) request.isOurs = init.body instanceof Uint8Array
  const route = routes.find(request.model)
  if (!route) throw modelNotFound(request.model)
  const maxCostNanoUsd = leastCost(route.maxCostNanoUsd, identity.maxCostUsd, init.maxCostUsd)
  const now = clock.now()
  const key = `${processTag}-${(++calls).toString(36)}`
  const record = createRecord({
    id,
    key,
    identity,
    route: route.name,
    startedAt: clock.wallTime(),
    startedMs: now,
    seed: Math.floor(random() * 2 ** 32),
    policy,
    ...(parent !== undefined && { parent }),
  })
  return {
    id,
    key,
    identity,
    route: route.name,
    dialect,
    surface,
    request,
    labels: nothing,
    state: nothing,
    signal: end.signal,
    deadline: now + Math.min(route.callMs, init.timeoutMs ?? Infinity),
    maxCostNanoUsd,
    headers: init.headers ?? nothing,
    log: init.log ?? logger,
    record,
    ...(parent !== undefined && { parent }),
    ...(madeFor && { madeFor }),
    ...(madeBy !== undefined && { madeBy }),
    ...(init.cacheControl !== undefined && { cacheControl: init.cacheControl }),
    ...(init.idempotencyKey !== undefined && { idempotencyKey: init.idempotencyKey }),
  }
}

/**
 * The call as that of whom a plugin has named: it is written down as theirs, as it is counted, and their bound on what it may
 * cost holds besides.
 *
 * @throws SignalboxError `internal_error` for an identity that is none
 */
export function callOfNamed(call: Call): Call {
  const identity = readIdentity(call.identity)
  call.record.identity = identity
  return { ...call, identity, maxCostNanoUsd: leastCost(call.maxCostNanoUsd, identity.maxCostUsd, undefined) }
}

/** The call as one on a route that it came to: the route's bound on what a call may cost holds besides its own. */
export function callOnRoute(call: Call, { maxCostNanoUsd }: Pick<Route, 'maxCostNanoUsd'>): Call {
  if (maxCostNanoUsd === undefined || maxCostNanoUsd >= (call.maxCostNanoUsd ?? Infinity)) return call
  return { ...call, maxCostNanoUsd }
}

/** What a call that a plugin makes on behalf of another one begins with. */
export function childOf(
  parent: Call,
  init: Partial<CallInit> & Pick<CallInit, 'body'>,
  { by, now }: { readonly by: string; readonly now: number },
): CallInit {
  const { maxCostNanoUsd, log, cacheControl } = parent
  const bounds = [init.maxCostUsd, maxCostNanoUsd === undefined ? undefined : maxCostNanoUsd / 1e9]
  const maxCostUsd = Math.min(...bounds.filter((bound) => bound !== undefined))
  return {
    ...init,
    identity: parent.identity,
    parent: parent.id,
    madeBy: [...(parent.madeBy ?? []), by],
    signal: parent.signal,
    headers: parent.headers,
    timeoutMs: Math.max(0, Math.min(init.timeoutMs ?? Infinity, parent.deadline - now)),
    ...(maxCostUsd !== Infinity && { maxCostUsd }),
    ...(log && { log }),
    ...(cacheControl !== undefined && { cacheControl }),
  }
}

function leastCost(routes = Infinity, identitysUsd: number | undefined, callsUsd: number | undefined) {
  const least = Math.min(routes, nanoUsdBound(identitysUsd), nanoUsdBound(callsUsd))
  return least === Infinity ? undefined : least
}

function nanoUsdBound(usd = Infinity): number {
  if (usd === Infinity) return Infinity
  if (usd >= 0) return Number(nanoUsdOf(usd))
  throw new SignalboxError('invalid_config', `maxCostUsd: expected US dollars, 0 or more, got ${String(usd)}`)
}

/** The error for a name that is neither a route nor a model. */
export function modelNotFound(name: string): SignalboxError {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name)
  return new SignalboxError('model_not_found', `There is no model or route named ${shown}`, { param: 'model' })
}

/** The chance of a call's decision. */
export const chanceOf = (call: Call) => seededRandom(call.record.seed)
