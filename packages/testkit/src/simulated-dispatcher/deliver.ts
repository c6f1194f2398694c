import type { Dispatcher } from 'undici'
import type { Clock, Timer } from '../clock.ts'
import { faultAnswer, type SimulatedAnswer } from './answers.ts'
import type { DispatcherFault } from './faults.ts'

type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController

/** What happens to a request so long after what happened before; after `Infinity` means never. */
interface Step {
  readonly afterMs: number
  act(handler: Handler, controller: Controller): void
}

export interface Delivery {
  readonly handler: Handler
  readonly clock: Clock
  /** Called once, just before the last word of the answer or when the request is aborted. */
  onEnd(isAborted: boolean): void
}

/** Gives an answer: at once as a whole, or a part of it first. */
export function answerSteps({ status, headers, first, rest }: SimulatedAnswer, afterMs: number, firstMs = 0): Step[] {
  const start = (handler: Handler, controller: Controller) =>
    handler.onResponseStart?.(controller, status, { ...headers }, '')
  const finish = (handler: Handler, controller: Controller) => {
    handler.onResponseData?.(controller, rest as Buffer)
    handler.onResponseEnd?.(controller, {})
  }
  if (!first) {
    const act = (handler: Handler, controller: Controller) => {
      start(handler, controller)
      if (!controller.aborted) finish(handler, controller)
    }
    return [{ afterMs, act }]
  }
  const begin = (handler: Handler, controller: Controller) => {
    start(handler, controller)
    handler.onResponseData?.(controller, first as Buffer)
  }
  return [
    { afterMs: firstMs, act: begin },
    { afterMs: afterMs - firstMs, act: finish },
  ]
}

export function faultSteps(fault: DispatcherFault, afterMs: number): Step[] {
  if (typeof fault === 'object') return answerSteps(faultAnswer(fault), afterMs)
  return [{ afterMs: fault === 'hang' ? Infinity : afterMs, act: refuse }]
}

function refuse(handler: Handler, controller: Controller) {
  const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  handler.onResponseError?.(controller, error)
}

/** Runs the steps of a request one after the other, until it is aborted. */
export function deliver({ handler, clock, onEnd }: Delivery, steps: readonly Step[]): void {
  let isOver = false
  let timer: Timer | undefined
  const end = (isAborted: boolean) => {
    if (isOver) return false
    isOver = true
    clock.clearTimeout(timer)
    onEnd(isAborted)
    return true
  }
  const controller = createController((reason) => {
    if (end(true)) handler.onResponseError?.(controller, reason)
  })
  const take = (index: number) => {
    const { afterMs, act } = steps[index]!
    if (isOver || afterMs === Infinity) return
    timer = clock.setTimeout(() => {
      if (index === steps.length - 1) end(false)
      act(handler, controller)
      if (index < steps.length - 1) take(index + 1)
    }, afterMs)
  }
  handler.onRequestStart?.(controller, {})
  take(0)
}

function createController(onAbort: (reason: Error) => void): Controller {
  let reason: Error | null = null
  let paused = false
  return {
    get aborted() {
      return reason !== null
    },
    get paused() {
      return paused
    },
    get reason() {
      return reason
    },
    abort(why) {
      reason ??= why
      onAbort(why)
    },
    pause: () => void (paused = true),
    resume: () => void (paused = false),
  }
}
