import { randomUUID } from 'node:crypto'
import { seededRandom } from './clock.ts'
import { dialects } from './dialects/index.ts'
import { SignalboxError } from './errors.ts'
import { createRecord } from './record.ts'
import type { RouteTable } from './route-table.ts'
import type { Call, DialectName, Identity, Logger, Services, Surface } from './types.ts'

/** What a call is made of. Only `body` is needed. */
export interface CallInit {
  /** The request in the dialect's wire format: an object, or the bytes of one. */
  readonly body: object | Uint8Array
  /** @default 'openai-chat' */
  readonly dialect?: DialectName
  /** @default 'chat' */
  readonly surface?: Surface
  /** @default nobody in particular */
  readonly identity?: Identity
  /** Aborts the call, and the upstream with it. */
  readonly signal?: AbortSignal
  /** @default a random UUID */
  readonly id?: string
  /** The call on whose behalf this one is made. */
  readonly parent?: string
  /** Headers that go on to the provider. */
  readonly headers?: Readonly<Record<string, string>>
  /** Shortens the time the whole call may take, in milliseconds; it cannot lengthen it. */
  readonly timeoutMs?: number
  readonly log?: Logger
}

const nobody: Identity = Object.freeze({})
const noHeaders = Object.freeze({})
const neverAborted = new AbortController().signal

/**
 * Makes a call of what was given.
 *
 * @throws SignalboxError `invalid_json`, `invalid_body`, or `model_not_found`
 */
export function createCall(init: CallInit, routes: RouteTable, { clock, random, logger }: Services): Call {
  const { dialect = 'openai-chat', surface = 'chat', identity = nobody, id = randomUUID(), parent } = init
  const request = dialects[dialect].parse(init.body)
  const route = routes.find(request.model)
  if (!route) throw modelNotFound(request.model)
  const now = clock.now()
  const record = createRecord({
    id,
    identity,
    route: route.name,
    startedAt: clock.wallTime(),
    startedMs: now,
    seed: Math.floor(random() * 2 ** 32),
    ...(parent !== undefined && { parent }),
  })
  return {
    id,
    identity,
    route: route.name,
    dialect,
    surface,
    request,
    labels: {},
    state: {},
    signal: init.signal ?? neverAborted,
    deadline: now + Math.min(route.callMs, init.timeoutMs ?? Infinity),
    headers: init.headers ?? noHeaders,
    log: init.log ?? logger,
    record,
    ...(parent !== undefined && { parent }),
  }
}

/** The error for a name that is neither a route nor a model. */
export function modelNotFound(name: string): SignalboxError {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name)
  return new SignalboxError('model_not_found', `There is no model or route named ${shown}`, { param: 'model' })
}

/** The chance of a call's decision. */
export const chanceOf = (call: Call) => seededRandom(call.record.seed)
