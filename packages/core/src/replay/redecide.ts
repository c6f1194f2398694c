import { Look, decide } from '../routing/decide.ts'
import type { RecordedCall } from '../routing/decision.ts'
import type { CandidateRecord, CallRecord } from '../record.ts'
import type { Route, RouteTable } from '../routing/route-table.ts'
import type { Call } from '../types.ts'
import { NotRecorded, type Redecidable, callOf, redecidable } from './recorded-call.ts'

/** What came of making a recorded decision again. */
export type Redecided =
  /** The same, byte for byte. */
  | { readonly outcome: 'same' }
  /** Another one. Both are JSON. */
  | { readonly outcome: 'different'; readonly was: string; readonly is: string }
  /** It went by something that is not recorded. */
  | { readonly outcome: 'unknown'; readonly why: string }
  /** None was made: a cache answered, or the call was refused before. */
  | { readonly outcome: 'undecided' }

/** Makes a recorded decision again, from what is recorded of it alone. Moves no state. */
export async function redecide(recorded: RecordedCall, routes: RouteTable): Promise<Redecided> {
  const decision = redecidable(recorded)
  if (!decision) return { outcome: 'undecided' }
  const route = routes.find(decision.facts.route)
  if (!route) return unknown(`there is no route named ${JSON.stringify(decision.facts.route)}`)
  if (route.strategy.assess && route.strategy.name === decision.strategy && decision.assessment === undefined)
    return unknown(`what the strategy "${route.strategy.name}" went by is not recorded`)
  const made = await decideAgain(recorded, route, decision)
  if ('why' in made) return unknown(made.why)
  const [was, is] = [textOf(decision), textOf(made.call.record)]
  return was === is ? { outcome: 'same' } : { outcome: 'different', was, is }
}

const unknown = (why: string) => ({ outcome: 'unknown', why }) as const

/** A call as it was decided on again, or why it could not be. */
export type Remade = { readonly call: Call } | { readonly why: string }

/** What is known of how a candidate looked. */
export type Seen = Partial<CandidateRecord> & Pick<CandidateRecord, 'name'>

/** How candidates looked, and what the strategy went by. */
export interface Recorded {
  readonly candidates: readonly Seen[]
  readonly passedOver: readonly Seen[]
  readonly assessment?: unknown
}

/** Decides on a recorded call by a route: with candidates as they were, where they were there. */
export async function decideAgain(
  recorded: RecordedCall,
  route: Route,
  decision: Redecidable,
  { candidates, passedOver, assessment }: Recorded = decision,
): Promise<Remade> {
  const call = callOf(recorded, decision)
  const seen = new Map<string, Seen>([...candidates, ...passedOver].map((one) => [one.name, one]))
  const looks = new Map([...route.candidates].map(([name, view]) => [name, new Look(view, seen.get(name))]))
  try {
    await decide(call, route, { now: decision.decidedMs, looks, assessment })
  } catch (error) {
    const { cause } = error as Error
    const missing = [error, cause].find((one) => one instanceof NotRecorded)
    if (missing) return { why: missing.message }
    // A call for which nothing was left is a decision too; what fails in another way is a fault of the strategy.
    if ((error as { code?: string }).code === 'plugin_failed') return { why: (error as Error).message }
  }
  return { call }
}

/** The part of a decision that is made again. */
const textOf = ({ strategy, candidates, passedOver }: Pick<CallRecord, 'strategy' | 'candidates' | 'passedOver'>) =>
  JSON.stringify({ strategy, candidates, passedOver })
