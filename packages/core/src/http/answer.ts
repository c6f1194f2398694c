import type { Dialect } from '../dialects/dialect.ts'
import type { SignalboxError } from '../errors.ts'
import { errorFinals, errorStatuses } from './errors.ts'

/** The status, headers and body that tell of an error in a caller's dialect. */
export function errorAnswer(
  error: SignalboxError,
  dialect: Dialect,
): { status: number; headers: Record<string, string>; body: Uint8Array } {
  const passedOn = error.answer
  const status = passedOn?.status ?? statusOf(error)
  return {
    status,
    headers: {
      'content-type': 'application/json',
      ...passedOn?.headers,
      'cache-control': 'no-store',
      ...retryHeaders(error, status),
      ...limitHeaders(error),
    },
    body: passedOn?.body ?? dialect.error(error),
  }
}

/** A provider's refusal of what the caller sent keeps its status, also where its body could not be passed on. */
function statusOf({ code, status }: SignalboxError): number {
  return code === 'upstream_rejected' && status !== undefined ? status : errorStatuses[code]
}

function retryHeaders({ code, retryable, retryAfterMs }: SignalboxError, status: number): Record<string, string> {
  const isFinal = errorFinals[code] === true || (status === 429 && !retryable)
  return {
    ...(isFinal && { 'x-should-retry': 'false' }),
    ...(retryAfterMs !== undefined && {
      'retry-after': String(Math.ceil(retryAfterMs / 1_000)),
      'retry-after-ms': String(Math.ceil(retryAfterMs)),
    }),
  }
}

/** The headers that clients of language models read. A reset is a duration, as OpenAI writes it. */
function limitHeaders({ limit }: SignalboxError): Record<string, string> {
  if (!limit || limit.kind === 'concurrency') return {}
  const name = (part: string) => `x-ratelimit-${part}-${limit.kind}`
  return {
    [name('limit')]: String(limit.limit),
    [name('remaining')]: String(limit.remaining),
    ...(limit.resetMs !== undefined && { [name('reset')]: `${Math.ceil(limit.resetMs)}ms` }),
  }
}
