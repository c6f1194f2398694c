import type { LedgerCall } from '../ledger/types.ts'
import type { CallRecord } from '../record.ts'
import { type RequestTokens, countedTokens } from '../tokens/request.ts'
import type { Call, DialectName, Modality, Surface } from '../types.ts'

/** What a decision may have gone by of the request and of who asked: everything but its texts. */
export interface RequestFacts {
  /** The route that decided: another one than was asked for, where a budget said so. */
  readonly route: string
  readonly dialect: DialectName
  readonly surface: Surface
  /** Of the body. */
  readonly bytes: number
  readonly stream: boolean
  /** How many tools it brings. */
  readonly tools: number
  readonly modality: readonly Modality[]
  readonly maxOutputTokens?: number
  readonly choices?: number
  /** As estimated, where they were. */
  readonly tokens?: RequestTokens
  readonly maxCostNanoUsd?: number
  /** The caller's tier. */
  readonly tier?: string
  /** Whether time matters to the caller. */
  readonly latencySensitive?: boolean
  /** The models that may answer the caller, where not all may. */
  readonly models?: readonly string[]
}

/** The facts of a call as it is now. */
export function factsOf({ route, dialect, surface, request, identity, maxCostNanoUsd }: Call): RequestFacts {
  const { stream, maxOutputTokens, choices } = request.parameters
  const tokens = countedTokens(request)
  const { tier, models, latencySensitive } = identity
  return {
    route,
    dialect,
    surface,
    bytes: request.bytes.length,
    stream,
    tools: request.tools.length,
    modality: [...request.modality],
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(choices !== undefined && { choices }),
    ...(tokens && { tokens }),
    ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd }),
    ...(tier !== undefined && { tier }),
    ...(latencySensitive !== undefined && { latencySensitive }),
    ...(models && { models }),
  }
}

/** What was decided, and all that it was decided by: with it the same decision can be made again. No text of a prompt. */
export type Decision = Pick<
  CallRecord,
  'policy' | 'labels' | 'strategy' | 'seed' | 'decidedMs' | 'facts' | 'candidates' | 'passedOver' | 'assessment'
>

/** The decision of a call. */
export function decisionOf(record: CallRecord): Decision {
  const { policy, labels, strategy, seed, decidedMs, facts, candidates, passedOver, assessment } = record
  return {
    policy,
    labels,
    strategy,
    seed,
    ...(decidedMs !== undefined && { decidedMs }),
    ...(facts && { facts }),
    candidates,
    passedOver,
    ...(assessment !== undefined && { assessment }),
  }
}

/** A call as a ledger or a log knows it: who asked for what and when, and the decision. */
export type RecordedCall = Pick<LedgerCall, 'callId' | 'time' | 'identity' | 'route' | 'decision'>

/**
 * A call for a log of one's own that `signalbox replay` can read, a line each. No text of a prompt is in it.
 *
 * @example
 * router.on('call.ended', ({ record }) => log.write(`${JSON.stringify(recordedCall(record))}\n`))
 */
export function recordedCall(record: CallRecord): RecordedCall {
  const { id, startedAt, identity, route } = record
  const { key, user, team, tags } = identity
  return { callId: id, time: startedAt, identity: { key, user, team, tags }, route, decision: decisionOf(record) }
}
