import type { Clock } from '../clock.ts'
import { Look } from '../routing/decide.ts'
import type { RecordedCall } from '../routing/decision.ts'
import type { LedgerAttempt } from '../ledger/types.ts'
import { type Price, inputTokensOf } from '../money/price.ts'
import type { AttemptRecord } from '../record.ts'
import { takenFrom } from '../routing/route.ts'
import type { Route, RouteTable } from '../routing/route-table.ts'
import type { Outcome } from '../strategies/strategy.ts'
import type { Call } from '../types.ts'
import { NotRecorded, type Redecidable, redecidable } from './recorded-call.ts'
import { type Recorded, type Seen, decideAgain } from './redecide.ts'

/** Where another policy would have sent a call first, or why that can't be known. */
export type Rerouted =
  | {
      readonly outcome: 'decided'
      readonly model: string
      readonly reason: string
      readonly price: Price | undefined
      /** Whether this very policy decided on it then: it went as it would go. */
      readonly isUnchanged: boolean
    }
  | { readonly outcome: 'unknown'; readonly why: string }
  /** None was decided on: a cache answered, or the call was refused before. */
  | { readonly outcome: 'undecided' }

/** The policy that decides again, and the clock that its strategies learn by. */
export interface OtherPolicy {
  readonly routes: RouteTable
  readonly policy: string
  readonly clock: Pick<Clock, 'now'>
}

/** Decides on a recorded call by routes of another policy, and tells the strategy what came of it. */
export async function reroute(
  recorded: RecordedCall,
  attempts: readonly LedgerAttempt[],
  { routes, policy, clock }: OtherPolicy,
): Promise<Rerouted> {
  const decision = redecidable(recorded)
  if (!decision) return { outcome: 'undecided' }
  const isUnchanged = decision.policy === policy
  const route = routes.find(decision.facts.route) ?? routes.find(recorded.route)
  if (!route) return { outcome: 'unknown', why: `there is no route named ${JSON.stringify(recorded.route)}` }
  const why = `what the strategy "${route.strategy.name}" would have made of the answer is not recorded`
  if (route.strategy.route && !isUnchanged) return { outcome: 'unknown', why }
  const known = counted(decision, attempts)
  const made = await decideAgain(
    recorded,
    route,
    isUnchanged ? known : { ...known, decidedMs: clock.now() },
    isUnchanged ? decision : asSeen(decision),
  )
  if ('why' in made) return { outcome: 'unknown', why: made.why }
  const { call } = made
  const [first] = call.record.candidates
  if (!first) return { outcome: 'unknown', why: 'no model would have been left to try' }
  const fault = teach(route, call, attempts)
  if (fault !== undefined) return { outcome: 'unknown', why: fault }
  if (first.propensity !== undefined && !isUnchanged && !attempts.some(({ model }) => model === first.name))
    return { outcome: 'unknown', why: 'what the strategy would have learned from its own draws is not recorded' }
  return {
    outcome: 'decided',
    model: first.name,
    reason: first.reason,
    price: route.candidates.get(first.name)!.price,
    isUnchanged,
  }
}

/** How candidates looked. Prices and weights are the other policy's own, and so is what its strategy goes by. */
const asSeen = ({ candidates, passedOver }: Redecidable): Recorded => ({
  candidates: candidates.map(withoutTerms),
  passedOver: passedOver.map(withoutTerms),
})

const withoutTerms = ({ price: _price, weight: _weight, ...one }: Seen): Seen => one

/** With the input that was billed, where none was estimated at the time. */
function counted(decision: Redecidable, attempts: readonly LedgerAttempt[]): Redecidable {
  const { facts } = decision
  const inputTokens = Math.max(0, ...attempts.map(inputTokensOf))
  if (facts.tokens || inputTokens === 0) return decision
  const { maxOutputTokens = 0, choices = 1 } = facts
  return { ...decision, facts: { ...facts, tokens: { inputTokens, outputTokens: maxOutputTokens * choices, choices } } }
}

/**
 * Tells the strategy what was decided, and what came of the attempts that were made: that says the same under any policy.
 * Gives why it could not take that in.
 */
function teach({ strategy, views, candidates }: Route, call: Call, attempts: readonly LedgerAttempt[]) {
  let fault: string | undefined
  const { record } = call
  const listed = record.candidates.flatMap((seen) => {
    const view = views.find(({ name }) => name === seen.name)
    return view ? [new Look(view, seen)] : []
  })
  const taken = takenFrom(listed, call)
  if (taken) tell(taken)
  for (const attempt of attempts.filter(({ model }) => candidates.has(model))) {
    const { model: name, outcome, latencyMs, firstTokenMs } = attempt
    const ok = outcome === 'ok'
    record.attempts.push(recordOf(attempt, call))
    tell({ type: 'started', name, call })
    tell({
      type: 'ended',
      name,
      call,
      ok,
      ...(!ok && { code: outcome }),
      latencyMs,
      ...(call.request.parameters.stream && firstTokenMs !== undefined && { firstTokenMs }),
    })
  }

  return fault

  /** What a strategy would learn from that is not recorded, it does not learn. */
  function tell(outcome: Outcome): void {
    try {
      strategy.observe?.(outcome)
    } catch (error) {
      if (error instanceof NotRecorded) return
      fault ??= `the strategy "${strategy.name}" failed to observe: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}

function recordOf({ model, provider, outcome, time, costNanoUsd }: LedgerAttempt, { record }: Call): AttemptRecord {
  return {
    model,
    provider,
    number: record.attempts.filter((one) => one.model === model).length + 1,
    startedMs: time - record.startedAt,
    outcome: outcome as AttemptRecord['outcome'],
    ...(costNanoUsd !== undefined && { costNanoUsd: Number(costNanoUsd) }),
  }
}
