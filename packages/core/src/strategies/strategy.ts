import type { Random } from '../clock.ts'
import type { RouteHook, TryCandidate } from '../plugin.ts'
import type { CallRecord } from '../record.ts'
import type { Call, CandidateView, Reply, Usage } from '../types.ts'

/** A candidate in the order in which it is to be tried. */
export interface Ranked {
  readonly name: string
  /** Why it stands here, in a few words. */
  readonly reason?: string
  /** What it was ordered by, where that is a number: the strategy says of what. */
  readonly score?: number
  /** Whether it is weaker than the call asks for, and stands here for want of others. */
  readonly weaker?: true
  /** The chance with which it came to stand first, where that was drawn. */
  readonly propensity?: number
}

/** What a strategy learns of. Its state moves here and nowhere else. */
export type Outcome =
  /** A decision put it first, among these. */
  | {
      readonly type: 'taken'
      readonly name: string
      readonly candidates: readonly CandidateView[]
      readonly call: Call
      /** What the strategy's own `assess` gave for this decision. */
      readonly assessment?: unknown
    }
  /** A call to it begins; `ended` follows. */
  | { readonly type: 'started'; readonly name: string; readonly call: Call }
  | {
      readonly type: 'ended'
      readonly call: Call
      readonly name: string
      readonly ok: boolean
      readonly code?: string
      readonly latencyMs: number
      /** To the first content of a stream; absent for a plain answer. */
      readonly firstTokenMs?: number
      /** Whether another strategy of the route decided on the call: only how the model answered is news. */
      readonly isForeign?: boolean
      /** What its answer used; absent where there was none. */
      readonly usage?: Usage
    }
  /** Somebody said how good the answer of an earlier call was. */
  | {
      readonly type: 'rated'
      readonly callKey: string
      /** The model that answered. */
      readonly name: string
      /** From 0 to 1. */
      readonly score: number
      readonly labels: Readonly<Record<string, string>>
      /** What its attempts at this model cost; undefined where that is not known. */
      readonly costNanoUsd: number | undefined
      /** How long ago the call began. */
      readonly ageMs: number
      /** What was decided then. */
      readonly candidates: CallRecord['candidates']
      /** What the strategy's own `assess` gave then. */
      readonly assessment?: unknown
    }

/** What a strategy may know besides the call: chance and time, handed in so that a decision can be replayed. */
export interface RankContext {
  readonly random: Random
  readonly now: number
  /** What the strategy's own `assess` gave: now, or when the decision was made that is made again. */
  readonly assessment?: unknown
}

/** Orders the candidates of a route for a call. `rank` is pure; state moves in `observe` only. */
export interface Strategy {
  readonly name: string
  /**
   * What `rank` goes by besides labels, facts of the request, the candidates' views, chance and time: the strategy's own
   * state, or what it reads out of the prompt. Plain JSON, made anew each time: it is kept with the decision, and `rank`
   * gets it back in its context, so that the decision can be made again when state and prompt are gone. Moves no state.
   */
  assess?(call: Call, candidates: readonly CandidateView[], context: Pick<RankContext, 'now'>): unknown
  rank(
    call: Call,
    candidates: readonly CandidateView[],
    context: RankContext,
  ): readonly Ranked[] | Promise<readonly Ranked[]>
  observe?(outcome: Outcome): void
  /** Tries what it ranked in a way of its own. `tryRanked` is how it would be tried otherwise: in turn, or by a route hook. */
  route?(call: Call, ranked: readonly Ranked[], attempt: TryCandidate, tryRanked: RouteHook): Promise<Reply>
}

/** A strategy without state, as a bare function. */
export type RankFunction = Strategy['rank']
