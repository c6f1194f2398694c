import type { Clock, Timer } from '../clock.ts'
import { isPromise } from '../store/after.ts'
import type { MaybePromise } from '../store/store.ts'
import { createFairQueue, type FairQueue } from './fair-queue.ts'
import type { AcquireRequest, Permit, Refusal, WaitRequest } from './types.ts'
import { type Limit, minuteMs } from './limits.ts'
import { createWaiter, type Waiter } from './waiter.ts'

type Answer = Permit | Refusal

interface Queue {
  group: string
  waiters: FairQueue<Waiter>
  /** Why the first could not go on when it was tried last, and when that was. */
  blocked: Refusal
  blockedAt: number
  timer: Timer | undefined
  isDraining: boolean
}

export interface QueuesOptions {
  clock: Clock
  attempt(request: AcquireRequest): MaybePromise<Answer>
  maximumWaiting: number
  recheckMs: number
  /** Room may come from other processes, of which nobody here is told. */
  isShared: boolean
}

/** The waiting lines of a limiter, one for each group. Of each only the first is tried, so that nobody is passed by. */
export interface Queues {
  /** Lines a request up where others wait for one of its groups already; undefined when nobody does. */
  behindOthers(request: WaitRequest): MaybePromise<Answer> | undefined
  /** The refusal in the same case. */
  refusalBehindOthers(request: AcquireRequest): Refusal | undefined
  /** Lines a request up that was refused; `epoch` is as it was before it was tried. */
  enqueue(request: WaitRequest, refusal: Refusal, epoch: number): MaybePromise<Answer>
  /** Room has been made under these limits. */
  wake(limits: readonly Limit[]): void
  /** There may be room in this group. */
  recheck(group: string): void
  /** Rises whenever room is made. */
  epoch(): number
  waiting(): ReadonlyMap<string, number>
}

export function createQueues({ clock, attempt, maximumWaiting, recheckMs, isShared }: QueuesOptions): Queues {
  const queues = new Map<string, Queue>()
  let sequence = 0
  let epoch = 0

  function behindOthers(request: WaitRequest): MaybePromise<Answer> | undefined {
    const queue = findQueue(request)
    return queue === undefined ? undefined : join(request, queue)
  }

  function refusalBehindOthers(request: AcquireRequest): Refusal | undefined {
    const queue = findQueue(request)
    return queue === undefined ? undefined : refusalNow(queue, 'limit', request)
  }

  function enqueue(request: WaitRequest, refusal: Refusal, epochBefore: number): MaybePromise<Answer> {
    if (refusal.reason === 'never') return refusal
    const queue = queueFor(refusal)
    const answer = join(request, queue)
    if (queue.waiters.size() === 0 && !queue.isDraining) close(queue)
    else if (epoch !== epochBefore) drain(queue)
    else if (queue.timer === undefined && !queue.isDraining) arm(queue, refusal)
    return answer
  }

  function wake(limits: readonly Limit[]) {
    epoch++
    if (queues.size > 0) for (const { group } of limits) recheck(group)
  }

  function recheck(group: string) {
    const queue = queues.get(group)
    if (queue !== undefined) drain(queue)
  }

  function findQueue({ limits, gate }: AcquireRequest): Queue | undefined {
    if (queues.size === 0) return undefined
    for (const { group } of limits) {
      const queue = queues.get(group)
      if (queue !== undefined) return queue
    }
    return gate === undefined ? undefined : queues.get(gate.group)
  }

  function queueFor(refusal: Refusal): Queue {
    const { group } = refusal
    let queue = queues.get(group)
    if (queue === undefined) {
      const waiters = createFairQueue<Waiter>()
      queue = { group, waiters, blocked: refusal, blockedAt: clock.now(), timer: undefined, isDraining: false }
      queues.set(group, queue)
    }
    return queue
  }

  function join(request: WaitRequest, queue: Queue): MaybePromise<Answer> {
    if (queue.waiters.size() >= maximumWaiting) return refusalNow(queue, 'queue_full', request)
    if (request.deadline !== undefined && !(request.deadline > clock.now()))
      return refusalNow(queue, 'deadline', request)
    const waiter = createWaiter({ request, group: queue.group, sequence: sequence++, clock, giveUp })
    queue.waiters.push(waiter)
    return waiter.answer
  }

  /** Goes away without a permit; whoever is next may need less. */
  function giveUp(waiter: Waiter, why: 'deadline' | 'aborted') {
    const queue = queues.get(waiter.group)!
    const wasFirst = queue.waiters.peek() === waiter
    queue.waiters.remove(waiter)
    if (why === 'deadline') waiter.end(refusalNow(queue, 'deadline', waiter.request))
    else waiter.fail(waiter.request.signal?.reason)
    if (wasFirst) drain(queue)
  }

  /** Lets in as many as there is room for. */
  function drain(queue: Queue) {
    if (queue.isDraining) return
    queue.isDraining = true
    clock.clearTimeout(queue.timer)
    queue.timer = undefined
    tryNext(queue)
  }

  function tryNext(queue: Queue) {
    for (;;) {
      const waiter = queue.waiters.peek()
      if (waiter === undefined) return close(queue)
      const epochBefore = epoch
      const answer = attemptOrError(waiter.request)
      if (isPromise(answer)) {
        void answer.then((later) => conclude(queue, waiter, later, epochBefore) && tryNext(queue))
        return
      }
      if (!conclude(queue, waiter, answer, epochBefore)) return
    }
  }

  /** Tells whether to go on with the next. */
  function conclude(queue: Queue, waiter: Waiter, answer: Answer | Failure, epochBefore: number): boolean {
    if (waiter.isOver) {
      void giveBack(answer)
    } else if ('error' in answer) {
      queue.waiters.remove(waiter)
      waiter.fail(answer.error)
    } else if (answer.granted || answer.reason === 'never') {
      queue.waiters.take(waiter)
      waiter.end(answer)
    } else if (answer.group !== queue.group) {
      move(queue, waiter, answer)
    } else if (epoch === epochBefore) {
      queue.isDraining = false
      arm(queue, answer)
      return false
    }
    return true
  }

  /** Another limit stops it now: it waits there, by its age. */
  function move(from: Queue, waiter: Waiter, refusal: Refusal) {
    from.waiters.remove(waiter)
    const queue = queueFor(refusal)
    waiter.group = queue.group
    queue.waiters.push(waiter)
    if (queue.waiters.peek() === waiter && !queue.isDraining) arm(queue, refusal)
  }

  /** Tries again when there should be room. */
  function arm(queue: Queue, refusal: Refusal) {
    queue.blocked = refusal
    queue.blockedAt = clock.now()
    const { retryAfterMs = Infinity } = refusal
    const delayMs = isShared || retryAfterMs === Infinity ? Math.min(retryAfterMs, recheckMs) : retryAfterMs
    clock.clearTimeout(queue.timer)
    queue.timer = clock.setTimeout(() => drain(queue), Math.max(1, Math.ceil(delayMs)))
  }

  function close(queue: Queue) {
    queue.isDraining = false
    clock.clearTimeout(queue.timer)
    queues.delete(queue.group)
  }

  /** What stopped the first in a queue, as of now. There is room for one more when all that wait have had their turn. */
  function refusalNow(
    { blocked, blockedAt, waiters }: Queue,
    reason: Refusal['reason'],
    more: AcquireRequest,
  ): Refusal {
    const since = clock.now() - blockedAt
    const resetMs = less(blocked.resetMs, since)
    const firstMs = less(blocked.retryAfterMs, since)
    const retryAfterMs = firstMs === undefined ? undefined : firstMs + waiters.size() * timeOf(more, blocked)
    return { ...blocked, reason, resetMs, retryAfterMs }
  }

  function attemptOrError(request: AcquireRequest): MaybePromise<Answer | Failure> {
    try {
      const answer = attempt(request)
      return isPromise(answer) ? answer.catch(failure) : answer
    } catch (error) {
      return failure(error)
    }
  }

  const waiting = () => new Map([...queues.values()].map(({ group, waiters }) => [group, waiters.size()]))

  return { behindOthers, refusalBehindOthers, enqueue, wake, recheck, epoch: () => epoch, waiting }
}

/** The time in which a limit makes room for one such call; 0 where it goes by no time. */
function timeOf({ requests = 1, tokens }: AcquireRequest, { kind, limit }: Refusal): number {
  if (kind === 'concurrency' || limit === 0) return 0
  return ((kind === 'tokens' ? tokens : requests) / limit) * minuteMs
}

interface Failure {
  error: unknown
}

const failure = (error: unknown): Failure => ({ error })

/** What came for one that has left. Where the store fails, the lease ends it. */
async function giveBack(answer: Answer | Failure) {
  if ('error' in answer || !answer.granted) return
  try {
    await answer.release()
  } catch {}
}

const less = (delayMs: number | undefined, sinceMs: number) =>
  delayMs === undefined ? undefined : Math.max(0, delayMs - sinceMs)
