import { type Clock } from './clock.ts'
import { shown } from './config/fault.ts'
import type { Decision } from './routing/decision.ts'
import { SignalboxError } from './errors.ts'
import type { EventBus } from './events.ts'
import type { Ledger, LedgerCall } from './ledger/types.ts'
import { tell } from './routing/route.ts'
import type { RouteTable } from './routing/route-table.ts'

/** What somebody said of the answer of a call. */
export interface Feedback {
  readonly callKey: string
  readonly callId: string
  readonly route: string
  /** The model that answered. */
  readonly model: string
  /** From 0 (useless) to 1. */
  readonly score: number
}

/** Takes in what is said of the answer of a call. */
export type GiveFeedback = (call: string, score: number) => Feedback

/** What feedback needs. */
export interface FeedbackParts {
  readonly ledger: Ledger | undefined
  readonly routes: RouteTable
  readonly events: EventBus
  readonly clock: Clock
}

/** Keeps feedback in the ledger, tells of it, and lets the strategy of the call's route learn from it. */
export function createFeedback({ ledger, routes, events, clock }: FeedbackParts): GiveFeedback {
  return (name, score) => {
    if (!(typeof score === 'number' && score >= 0 && score <= 1))
      throw new SignalboxError('invalid_body', `score: expected a number from 0 to 1, got ${shown([], score)}`, {
        param: 'score',
      })
    if (typeof name !== 'string' || name === '')
      throw new SignalboxError('invalid_body', `id: expected the id of a call, got ${shown([], name)}`, { param: 'id' })
    if (!ledger) throw new SignalboxError('not_found', 'No ledger is kept, and so no call is known', { param: 'id' })
    const call = callOf(ledger, name)
    if (call?.model === undefined)
      throw new SignalboxError('not_found', 'No call with this id was answered', { param: 'id' })
    const { callKey, callId, route, model } = call
    const time = clock.wallTime()
    ledger.rate({ callKey, time, score })
    const feedback = { callKey, callId, route, model, score }
    events.emit('feedback', feedback)
    teach(call, feedback, time)
    return feedback
  }

  function teach(call: LedgerCall, { callKey, model, score }: Feedback, time: number): void {
    const { labels = {}, candidates = [], facts, assessment } = call.decision as Partial<Decision>
    const route = routes.find(facts?.route ?? call.route)
    if (!route?.strategy.observe) return
    const costNanoUsd = costAt(model, ledger!, callKey)
    const ageMs = Math.max(0, time - call.time)
    const known = { labels, candidates, costNanoUsd, ageMs, ...(assessment !== undefined && { assessment }) }
    tell(route, { type: 'rated', callKey, name: model, score, ...known }, events)
  }
}

/** The call with this key, or else the last one with this id: an id may come twice. */
function callOf(ledger: Ledger, name: string): LedgerCall | undefined {
  const [byKey] = ledger.calls({ callKey: name })
  return byKey ?? [...ledger.calls({ callId: name })].at(-1)
}

/** What the attempts of a call at one model cost; undefined where one has no known price. */
function costAt(model: string, ledger: Ledger, callKey: string): number | undefined {
  let sum = 0n
  for (const { costNanoUsd } of ledger.attempts({ callKey, model })) {
    if (costNanoUsd === undefined) return undefined
    sum += costNanoUsd
  }
  return Number(sum)
}
