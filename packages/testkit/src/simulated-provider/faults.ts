/**
 * What a simulated model does instead of answering.
 *
 * - `{ status, body?, headers? }` an error answer; without a body, what OpenAI would say with that status. A body
 *   that is a string goes out as it is, anything else as JSON.
 * - `{ delayMs }` a right answer, that much later.
 * - `reset` a TCP reset before any byte; `hang` silence for ever; `empty` a 200 with no body; `html` a 200 that is
 *   a web page; `malformed` a 200 whose JSON, or first event, is cut off in the middle.
 * - `cut-…` a TCP reset, `end-…` an end that looks orderly (a stream without finish reason and `[DONE]`, a plain
 *   body shorter than its content-length), `stall-…` silence for ever, `error-…` an error event (a plain answer: a
 *   200 with an error in it); each after the head and role chunk (`before-content`) or in the middle of the content
 *   (`after-content`).
 */
export type SimulatedFault =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | { delayMs: number }
  | 'reset'
  | 'hang'
  | 'empty'
  | 'html'
  | 'malformed'
  | MidwayFault

export type MidwayFault = `${'cut' | 'end' | 'stall' | 'error'}-${'before' | 'after'}-content`

const names = /^(?:reset|hang|empty|html|malformed|(?:cut|end|stall|error)-(?:before|after)-content)$/

interface PlannedFault {
  fault: SimulatedFault
  timesLeft: number
}

export interface FaultPlan {
  fail(model: string, fault: SimulatedFault, times?: number): void
  heal(model?: string): void
  /** The fault for this request, counted as used; the model's own come before those of `*`. */
  next(model: string | undefined): SimulatedFault | undefined
}

/** Plans for models of these names, and for `*`. */
export function createFaultPlan(models: readonly string[]): FaultPlan {
  const plans = new Map<string, PlannedFault[]>()

  return {
    fail(model, fault, times = Infinity) {
      checkModel(model)
      if (!(times > 0)) throw new RangeError(`times must be 1 or more, got ${times}`)
      if (!isFault(fault)) throw new TypeError(`there is no fault ${JSON.stringify(fault)}`)
      const finite = (plans.get(model) ?? []).filter(({ timesLeft }) => timesLeft !== Infinity)
      plans.set(model, [...finite, { fault, timesLeft: times }])
    },
    heal(model) {
      if (model === undefined) return plans.clear()
      checkModel(model)
      plans.delete(model)
    },
    next: (model) => (model === undefined ? undefined : take(model)) ?? take('*'),
  }

  function checkModel(model: string): void {
    if (model === '*' || models.includes(model)) return
    throw new TypeError(`there is no model ${JSON.stringify(model)}, expected one of ${models.join(', ')} or *`)
  }

  function take(model: string): SimulatedFault | undefined {
    const plan = plans.get(model)
    const first = plan?.[0]
    if (!plan || !first) return undefined
    first.timesLeft -= 1
    if (first.timesLeft <= 0) plan.shift()
    return first.fault
  }
}

function isFault(fault: unknown): boolean {
  if (typeof fault === 'string') return names.test(fault)
  if (typeof fault !== 'object' || fault === null) return false
  if (!('status' in fault)) return 'delayMs' in fault && Number(fault.delayMs) >= 0
  return Number.isInteger(fault.status) && Number(fault.status) >= 200 && Number(fault.status) <= 599
}

export function isMidway(fault: SimulatedFault | undefined): fault is MidwayFault {
  return typeof fault === 'string' && fault.endsWith('-content')
}

export function nameOfFault(fault: SimulatedFault): string {
  if (typeof fault === 'string') return fault
  return 'status' in fault ? `status ${fault.status}` : `delay ${fault.delayMs} ms`
}
