import { after } from '../store/after.ts'
import type { MaybePromise, Refused } from '../store/store.ts'
import { entriesOf, findTooSmall, type Limit, type Need, postedFor } from './limits.ts'
import { createQueues } from './queues.ts'
import type { AcquireRequest, Limiter, LimiterOptions, Permit, Refusal, WaitRequest } from './types.ts'

/**
 * A limiter of requests and tokens per minute and of concurrency, all or nothing over every limit of a call.
 *
 * @example
 * const limits = createLimits('model:a', { requestsPerMinute: 500, tokensPerMinute: 1_000_000 })
 * const answer = await limiter.acquire({ id: 'call-1/1', limits, tokens: 1_200, priority: 2, deadline, signal })
 * if (answer.granted) await answer.settle({ tokens: 1_034 })
 */
export function createLimiter({
  store,
  clock,
  queue = {},
  leaseMs: defaultLeaseMs = 900_000,
}: LimiterOptions): Limiter {
  const { maximumWaiting = 1_000, recheckMs = 1_000 } = queue
  if (!(maximumWaiting >= 0)) throw new RangeError(`Expected maximumWaiting to be 0 or more, got ${maximumWaiting}`)
  if (!(recheckMs > 0)) throw new RangeError(`Expected recheckMs to be above 0, got ${recheckMs}`)
  if (!(defaultLeaseMs > 0)) throw new RangeError(`Expected leaseMs to be above 0, got ${defaultLeaseMs}`)
  const isShared = store.scope !== 'process'
  const queues = createQueues({ clock, attempt, maximumWaiting, recheckMs, isShared })

  function tryAcquire(request: AcquireRequest): MaybePromise<Permit | Refusal> {
    return tooLarge(request) ?? queues.refusalBehindOthers(request) ?? attempt(request)
  }

  function acquire(request: WaitRequest): MaybePromise<Permit | Refusal> {
    const { signal, mayWait = true } = request
    signal?.throwIfAborted()
    if (!mayWait) return after(tryAcquire(request), (answer) => unlessAborted(answer, signal))
    return tooLarge(request) ?? queues.behindOthers(request) ?? acquireFirst(request)
  }

  function acquireFirst(request: WaitRequest): MaybePromise<Permit | Refusal> {
    const epoch = queues.epoch()
    return after(attempt(request), (answer) => {
      if (answer.granted || request.signal?.aborted) return unlessAborted(answer, request.signal)
      return queues.enqueue(request, answer, epoch)
    })
  }

  /** Takes everything or says what is short, whoever else waits. */
  function attempt(request: AcquireRequest): MaybePromise<Permit | Refusal> {
    const { id, limits, gate, leaseMs = defaultLeaseMs } = request
    const need = needOf(request)
    const shortage = gate?.check(need)
    if (gate !== undefined && shortage !== undefined)
      return { granted: false, reason: 'limit', group: gate.group, ...shortage }
    if (limits.length === 0) {
      gate?.pass(need)
      return unlimited
    }
    return after(store.reserve({ id, entries: entriesOf(limits, need), leaseMs }), (answer) => {
      if (!answer.granted) return refusalFor(limits[answer.index]!, answer)
      gate?.pass(need)
      return permitFor(request, need)
    })
  }

  function permitFor({ id, limits }: AcquireRequest, need: Need): Permit {
    const grantedAt = clock.now()
    let isOver = false

    function settle({ tokens = need.tokens }: { tokens?: number | undefined }): MaybePromise<void> {
      if (!Number.isSafeInteger(tokens) || tokens < 0)
        throw new RangeError(`Expected a whole number of tokens, got ${tokens}`)
      if (isOver) return
      isOver = true
      const { requests } = need
      return after(store.settle(id, postedFor(limits, { requests, tokens })), () => {
        const excess = tokens - need.tokens
        const late = excess > 0 ? limits.filter((limit) => hasLeftWindow(limit, grantedAt)) : []
        return after(late.length > 0 ? owe(`${id}+`, late, excess) : undefined, () => queues.wake(limits))
      })
    }

    function release(): MaybePromise<void> {
      if (isOver) return
      isOver = true
      return after(store.release(id), () => queues.wake(limits))
    }

    return { granted: true, settle, release }
  }

  const hasLeftWindow = ({ kind, windowMs }: Limit, grantedAt: number) =>
    kind === 'tokens' && clock.now() - grantedAt >= windowMs!

  /** An excess that shows only when its reservation has left the window counts from now: it is never forgotten. */
  function owe(id: string, limits: readonly Limit[], tokens: number): MaybePromise<unknown> {
    const need = { requests: 0, tokens }
    const entries = entriesOf(limits, need).map((entry) => ({ ...entry, soft: true }))
    return after(store.reserve({ id, entries, leaseMs: defaultLeaseMs }), () =>
      store.settle(id, postedFor(limits, need)),
    )
  }

  return { tryAcquire, acquire, recheck: queues.recheck, waiting: queues.waiting }
}

const unlimited: Permit = { granted: true, settle: () => undefined, release: () => undefined }

const needOf = ({ requests = 1, tokens }: AcquireRequest): Need => ({ requests, tokens })

function tooLarge(request: AcquireRequest): Refusal | undefined {
  const found = findTooSmall(request.limits, needOf(request))
  if (found === undefined) return undefined
  const { group, kind, limit } = found
  return {
    granted: false,
    reason: 'never',
    group,
    kind,
    limit,
    remaining: limit,
    resetMs: undefined,
    retryAfterMs: undefined,
  }
}

function refusalFor({ group, kind, limit }: Limit, { remaining, resetMs, retryAfterMs, never }: Refused): Refusal {
  const reason = never ? 'never' : 'limit'
  return { granted: false, reason, group, kind, limit, remaining: Number(remaining), resetMs, retryAfterMs }
}

function unlessAborted(answer: Permit | Refusal, signal: AbortSignal | undefined): MaybePromise<Permit | Refusal> {
  if (!signal?.aborted) return answer
  return after(answer.granted ? answer.release() : undefined, () => {
    throw signal.reason
  })
}
