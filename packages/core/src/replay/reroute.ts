import type { RecordedCall } from '../decision.ts'
import type { LedgerAttempt } from '../ledger/types.ts'
import type { Price } from '../money/price.ts'
import type { Route, RouteTable } from '../route-table.ts'
import type { Call } from '../types.ts'
import { callOf, redecidable } from './recorded-call.ts'
import { decideAgain } from './redecide.ts'

/** Where another policy would have sent a call first, or why that can't be known. */
export type Rerouted =
  | { readonly outcome: 'decided'; readonly model: string; readonly reason: string; readonly price: Price | undefined }
  | { readonly outcome: 'unknown'; readonly why: string }
  /** None was decided on: a cache answered, or the call was refused before. */
  | { readonly outcome: 'undecided' }

/** Decides on a recorded call by routes of another policy, and tells the strategy what came of it. */
export async function reroute(
  recorded: RecordedCall,
  attempts: readonly LedgerAttempt[],
  routes: RouteTable,
): Promise<Rerouted> {
  const decision = redecidable(recorded)
  if (!decision) return { outcome: 'undecided' }
  const route = routes.find(decision.facts.route) ?? routes.find(recorded.route)
  if (!route) return { outcome: 'unknown', why: `there is no route named ${JSON.stringify(recorded.route)}` }
  // Prices are the other policy's own, and so is what its strategy goes by.
  const seen = {
    candidates: decision.candidates.map(({ price: _was, ...one }) => one),
    passedOver: decision.passedOver.map(({ price: _was, ...one }) => one),
    assessment: undefined,
  }
  const made = await decideAgain(recorded, route, decision, seen)
  if ('why' in made) return { outcome: 'unknown', why: made.why }
  const [first] = made.record.candidates
  if (!first) return { outcome: 'unknown', why: 'no model would have been left to try' }
  const call = callOf(recorded, decision)
  const { assessment } = made.record
  const candidates = route.views.filter(({ name }) => made.record.candidates.some((one) => one.name === name))
  if (candidates.some(({ name }) => name === first.name))
    route.strategy.observe?.({
      type: 'taken',
      name: first.name,
      candidates,
      call,
      ...(assessment !== undefined && { assessment }),
    })
  for (const attempt of attempts) tell(route, call, attempt)
  return {
    outcome: 'decided',
    model: first.name,
    reason: first.reason,
    price: route.candidates.get(first.name)!.price,
  }
}

/** What an attempt that was made says of a model says it under any policy. */
function tell({ strategy, candidates }: Route, call: Call, attempt: LedgerAttempt): void {
  const { model: name, outcome, latencyMs, firstTokenMs } = attempt
  if (!candidates.has(name)) return
  const ok = outcome === 'ok'
  strategy.observe?.({ type: 'started', name, call })
  strategy.observe?.({
    type: 'ended',
    name,
    call,
    ok,
    ...(!ok && { code: outcome }),
    latencyMs,
    ...(firstTokenMs !== undefined && { firstTokenMs }),
  })
}
