import type { Clock } from '../clock.ts'
import type { Queued } from './fair-queue.ts'
import type { Permit, Refusal, WaitRequest } from './types.ts'

/** One request in a queue. */
export interface Waiter extends Queued {
  request: WaitRequest
  /** Whose queue it stands in. */
  group: string
  answer: Promise<Permit | Refusal>
  /** It has its answer, and no timer or listener is left. */
  isOver: boolean
  end(answer: Permit | Refusal): void
  fail(reason: unknown): void
}

export interface WaiterOptions {
  request: WaitRequest
  group: string
  sequence: number
  clock: Clock
  /** Called when its deadline passes or its signal aborts, once, and not after its end. */
  giveUp(waiter: Waiter, why: 'deadline' | 'aborted'): void
}

/** A request that waits for its turn, its deadline or its abort, whichever is first. */
export function createWaiter({ request, group, sequence, clock, giveUp }: WaiterOptions): Waiter {
  const { priority = 3, deadline, signal } = request
  let resolve: (answer: Permit | Refusal) => void
  let reject: (reason: unknown) => void
  const answer = new Promise<Permit | Refusal>((resolveAnswer, rejectAnswer) => {
    resolve = resolveAnswer
    reject = rejectAnswer
  })
  const waiter: Waiter = { request, group, priority, sequence, answer, isOver: false, end, fail }
  const expire = () => giveUp(waiter, 'deadline')
  const abort = () => giveUp(waiter, 'aborted')
  const waitMs = (deadline ?? Infinity) - clock.now()
  const timer = waitMs < Infinity ? clock.setTimeout(expire, waitMs) : undefined
  signal?.addEventListener('abort', abort, { once: true })
  return waiter

  function end(result: Permit | Refusal) {
    stop()
    resolve(result)
  }

  function fail(reason: unknown) {
    stop()
    reject(reason)
  }

  function stop() {
    waiter.isOver = true
    clock.clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
