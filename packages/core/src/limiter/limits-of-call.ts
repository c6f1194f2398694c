import type { SignalboxError } from '../errors.ts'
import type { Priority } from './fair-queue.ts'
import type { Limiter, Permit, Refusal, WaitRequest } from './types.ts'
import type { AttemptRecord } from '../record.ts'
import { endOf } from '../sleep.ts'
import { caught } from '../store/after.ts'
import type { MaybePromise } from '../store/store.ts'
import type { RequestTokens } from '../tokens/request.ts'
import type { Call, Usage } from '../types.ts'

/** The output that is reckoned with where a request does not limit it; the learned correction does the rest. */
const usualOutputTokens = 256

/** The tokens a request is likely to use. */
export function expectedTokens({ inputTokens, outputTokens, choices }: RequestTokens): number {
  return inputTokens + (outputTokens || usualOutputTokens * choices)
}

/** All tokens of a usage, as the providers' limits count them. */
export function tokensUsed(usage: Usage): number {
  return (
    usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens + usage.outputTokens + usage.reasoningTokens
  )
}

/** The label `priority`, from 1 (most urgent) to 5; a classifier or the host's plugin sets it. */
export function priorityOf({ labels }: Call): Priority {
  const priority = Number(labels['priority'])
  return Number.isInteger(priority) && priority >= 1 && priority <= 5 ? (priority as Priority) : 3
}

/** Codes of attempts for which no connection came about. */
const unconnected: ReadonlySet<AttemptRecord['outcome']> = new Set([
  'upstream_unreachable',
  'upstream_tls',
  'untranslatable',
])

/** Whether a failed attempt may have been worked on: it was sent, and the provider did not refuse it. */
export function mayHaveUsed({ outcome, status }: AttemptRecord): boolean {
  return status === undefined && !unconnected.has(outcome)
}

/** Whether an attempt that failed with this came to no connection. */
export const isUnconnected = ({ code }: SignalboxError) => unconnected.has(code)

/**
 * Asks a limiter.
 *
 * @throws SignalboxError when the call is ended while it waits
 */
export function acquire(limiter: Limiter, request: WaitRequest): MaybePromise<Permit | Refusal> {
  return caught(
    () => limiter.acquire(request),
    (error) => {
      throw request.signal?.aborted ? endOf(request.signal) : error
    },
  )
}
