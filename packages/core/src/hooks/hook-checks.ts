import { shown } from '../config/fault.ts'
import { dialects } from '../dialects/index.ts'
import { faultOfHead } from '../http/answer-head.ts'
import { isRecord } from '../is-record.ts'
import type { Attempt, Call, DialectName, Reply } from '../types.ts'

/** What is wrong with what a hook returned; undefined where it is a reply, in the dialect that its caller reads. */
export function faultOfReply(value: unknown, read?: DialectName): string | undefined {
  if (!isObject(value)) return `got ${came(value)}`
  const { status, headers, dialect, model, body, ended, cancel } = value as Partial<Record<keyof Reply, unknown>>
  const fault = faultOfHead(status, headers)
  if (fault) return fault
  if (typeof dialect !== 'string' || !Object.hasOwn(dialects, dialect))
    return `it is in no dialect, but ${shown([], dialect)}`
  if (read !== undefined && dialect !== read) return `it is in ${dialect}, and its caller reads ${read}`
  if (typeof model !== 'string') return `its model has no name, but ${shown([], model)}`
  if (typeof cancel !== 'function') return 'it cannot be cancelled'
  if (!isObject(ended) || !('then' in ended)) return 'its "ended" is no promise'
  if (body instanceof Uint8Array || isByteStream(body)) return undefined
  return `its body is neither bytes nor a stream as streamOf makes one, but ${came(body)}`
}

/** What a changed call is held to besides. */
interface CopyRules {
  /** Whether there is a route by this name. */
  readonly isRoute: (name: string) => boolean
  /** Whether it may be another caller's. */
  readonly mayName: boolean
}

/** What stands in the place of a hook's call where `next` is handed that; undefined where it is the call, or a copy of it. */
export function faultOfCopy(one: Call | Attempt, given: unknown, allowed: CopyRules): string | undefined {
  if (!isObject(given)) return came(given)
  if (!('call' in one)) return faultOfCall(one, given, allowed)
  const { call, candidate } = given as Partial<Attempt>
  const isCopy = kept.every((name) => one[name] === undefined || (given as Partial<Attempt>)[name] !== undefined)
  return isCopy && isObject(call) && isObject(candidate) ? faultOfCall(one.call, call, allowed) : 'no copy of it'
}

/** What an attempt is counted by: without them limits, budgets and the ledger would take it for one that was never sent. */
const kept = ['onSend', 'held', 'entry'] as const satisfies (keyof Attempt)[]

function faultOfCall(one: Call, given: Partial<Call>, { isRoute, mayName }: CopyRules): string | undefined {
  const { record, request, route, identity } = given
  if (record !== one.record || (request !== one.request && typeof request?.with !== 'function')) return 'no copy of it'
  const wrong = ruled.find((name) => given[name] !== one[name] && !rules[name](given[name]))
  if (wrong) return `one whose ${wrong} is ${shown([], given[wrong])}`
  if (identity !== one.identity && !mayName)
    return 'one of another caller, whom only a hook at "identify" or further out may name'
  if (route !== one.route && !isRoute(String(route))) return `one to the route ${shown([], route)}, which is not there`
  return undefined
}

/** What holds for fields that a plugin changes. */
const rules = {
  key: () => false,
  identity: isRecord,
  labels: isRecord,
  state: isRecord,
  headers: isRecord,
  signal: (value) => typeof (Object(value) as Partial<AbortSignal>).addEventListener === 'function',
  deadline: (value) => typeof value === 'number' && !Number.isNaN(value),
  dialect: isDialect,
  maxCostNanoUsd: (value) => value === undefined || (typeof value === 'number' && value >= 0),
} as const satisfies Partial<Record<keyof Call, (value: unknown) => boolean>>
const ruled = Object.keys(rules) as (keyof typeof rules)[]

function isDialect(value: unknown): value is DialectName {
  return typeof value === 'string' && Object.hasOwn(dialects, value)
}

/** What came in the place of something, in words. */
export function came(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isByteStream = (body: unknown) =>
  isObject(body) && Symbol.asyncIterator in body && ['to', 'tap'].every((name) => isMethodOf(body, name))
const isMethodOf = (body: object, name: string) => typeof (body as Record<string, unknown>)[name] === 'function'
