import { shown } from './config/fault.ts'
import { dialects } from './dialects/index.ts'
import { faultOfHead } from './http/answer-head.ts'
import type { Attempt, Call, DialectName, Reply } from './types.ts'

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

/** Whether what a hook hands to `next` is its call, or a copy of it. */
export function isCopyOf(one: Call | Attempt, given: unknown): boolean {
  if (!isObject(given)) return false
  if (!('call' in one)) return isCopyOfCall(one, given)
  const { call, candidate } = given as Partial<Attempt>
  return isObject(call) && isObject(candidate) && isCopyOfCall(one.call, call)
}

function isCopyOfCall({ record, request }: Call, given: Partial<Call>): boolean {
  return given.record === record && (given.request === request || typeof given.request?.with === 'function')
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
