import { SignalboxError } from '../errors.ts'
import type { Router } from '../router.ts'
import { isPromise } from '../store/after.ts'
import type { DialectName } from '../types.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'
import { identityOf } from './identity.ts'
import { toldError } from './told-error.ts'

/** Headers of the caller's that go on to the provider. All others stay here: cookies and keys above all. */
const forwardedHeaders = ['traceparent', 'tracestate', 'openai-beta', 'anthropic-beta', 'anthropic-version'] as const

/** Answers a call in a dialect: reads the request, hands it to the router, and gives its reply headers. */
export async function answerCall(
  router: Router,
  dialect: DialectName,
  request: FaceRequest,
  id: string,
): Promise<FaceAnswer> {
  const identified = identityOf(router, request)
  const identity = isPromise(identified) ? await identified : identified
  const read = request.body()
  const isReadHere = isPromise(read)
  const sent = isReadHere ? await read : read
  const headers = forwarded(request)
  const timeoutMs = timeoutOf(request.header('x-request-timeout'))
  const maxCostUsd = maxCostOf(request, router)
  const cacheControl = request.header('cache-control')
  const idempotencyKey = request.header('idempotency-key')
  const { record, reply } = router.begin({
    body: sent,
    ownsBody: isReadHere,
    dialect,
    id,
    identity,
    signal: request.signal,
    ...(request.end && { end: request.end }),
    ...(headers && { headers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(maxCostUsd !== undefined && { maxCostUsd }),
    ...(request.log && { log: request.log }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  })
  try {
    const answer = await reply
    const { status, body } = answer
    const streamed = !(body instanceof Uint8Array)
    return {
      status,
      headers: { ...answer.headers, ...(streamed ? streamHeaders : plainHeaders) },
      body,
      record,
      cancel: () => answer.cancel(),
    }
  } catch (error) {
    return toldError(error, dialect, request, record)
  }
}

const plainHeaders = { 'cache-control': 'no-store' }
/** Nothing between here and the caller is to gather or change a stream. */
const streamHeaders = { 'cache-control': 'no-store, no-transform', 'x-accel-buffering': 'no' }

/** Undefined where there are none, as mostly. */
function forwarded(request: FaceRequest): Record<string, string> | undefined {
  let headers: Record<string, string> | undefined
  for (const name of forwardedHeaders) {
    const value = request.header(name)
    if (value !== undefined) (headers ??= {})[name] = value
  }
  return headers
}

/**
 * The most that its caller lets a call cost, in US dollars.
 *
 * @throws SignalboxError `invalid_body` for what is no amount, or where callers set no bounds
 */
function maxCostOf(request: FaceRequest, { settings }: Router): number | undefined {
  const param = 'x-signalbox-max-cost'
  const value = request.header(param)
  if (value === undefined) return undefined
  if (!settings.maxCostHeader)
    throw new SignalboxError('invalid_body', `${param}: not taken from callers here`, { param })
  if (/^(?:\d+\.?\d*|\.\d+)$/.test(value)) return Number(value)
  const came = JSON.stringify(value.slice(0, 100))
  throw new SignalboxError('invalid_body', `${param}: expected US dollars, 0 or more, got ${came}`, { param })
}

/** Seconds, or a number with `ms` or `s` behind it. */
function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(value)
  const milliseconds = Number(match?.[1]) * (match?.[2] === 'ms' ? 1 : 1_000)
  return milliseconds > 0 && Number.isFinite(milliseconds) ? milliseconds : undefined
}
