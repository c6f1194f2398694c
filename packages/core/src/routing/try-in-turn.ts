import { SignalboxError, isMoneyRefusal, isRefusal, isSignalboxError } from '../errors.ts'
import type { RouteHook, TryCandidate } from '../plugin.ts'
import { contextLengthExceeded } from '../providers/failure.ts'
import type { Reply } from '../types.ts'
import type { Ranked } from '../strategies/strategy.ts'

/**
 * What a route does unless a plugin takes its place: first those candidates that can start now, in order; then those that
 * only had to wait their turn, the soonest first. Whoever a provider turned away for now waits like those who came later.
 */
export const tryInTurn: RouteHook = (call, ranked, attempt) => {
  const first = attempt(ranked[0]!, { mayWait: false })
  // Nearly every call ends with its first model: only one that fails pays for the loop.
  return first.catch(() => tryRest(first, ranked, attempt))
}

/** Goes on after the first candidate has failed. */
async function tryRest(first: Promise<Reply>, ranked: readonly Ranked[], attempt: TryCandidate): Promise<Reply> {
  let refusals: Map<string, SignalboxError> | undefined
  let failure: SignalboxError | undefined
  let tooSmall: string | undefined
  let waiting: Waiting[] = []

  for (const mayWait of [false, true]) {
    const candidates = mayWait ? bySoonest(waiting) : ranked
    waiting = []
    for (const candidate of candidates) {
      if (tooSmall !== undefined && !isLarger(candidate.name, tooSmall, attempt)) continue
      try {
        const isFirst = !mayWait && candidate === ranked[0]
        return await (isFirst ? first : attempt(candidate, { mayWait }))
      } catch (error) {
        if (!isSignalboxError(error)) throw error
        if (!isRefusal(error)) failure = error
        else (refusals ??= new Map()).set(candidate.name, error)
        if (isLimit(error)) waiting.push({ candidate, inMs: error.retryAfterMs ?? 0 })
        if (error.reason === contextLengthExceeded) tooSmall = candidate.name
        else if (!error.movesOn) throw error
      }
    }
  }
  throw failure ?? summary([...(refusals?.values() ?? [])])
}

interface Waiting {
  readonly candidate: Ranked
  /** 0 where only another call's end makes room: that may be at once. */
  readonly inMs: number
}

const bySoonest = (waiting: readonly Waiting[]) =>
  waiting.toSorted((one, other) => one.inMs - other.inMs).map(({ candidate }) => candidate)

/** Whether there may be room later: at a limit of ours, or at one of the provider's. */
const isLimit = ({ code, retryable }: SignalboxError) =>
  code === 'rate_limit_exceeded' || (code === 'upstream_rate_limited' && retryable)

function isLarger(name: string, than: string, { candidates }: TryCandidate): boolean {
  return (candidates.get(name)?.contextWindow ?? 0) > (candidates.get(than)?.contextWindow ?? Infinity)
}

/** One error for a route on which nothing could be tried: it says when to come back. */
function summary(refusals: readonly SignalboxError[]): SignalboxError {
  const reasons = refusals.map(({ cause }) => cause)
  const limited = refusals.filter(({ code }) => code === 'rate_limit_exceeded')
  if (limited.length > 0) return soonest(limited)
  const unpaid = refusals.find(isMoneyRefusal)
  if (unpaid) return unpaid
  const unsayable = refusals.find(({ code }) => code === 'untranslatable')
  if (unsayable) return unsayable
  if (refusals.length > 0 && refusals.every(({ code }) => code === 'limit_exceeded')) return refusals[0]!
  if (reasons.length > 0 && reasons.every(isSignalboxError)) return toldAgain(reasons[0] as SignalboxError)
  const retryAfterMs = soonest(refusals).retryAfterMs
  return new SignalboxError('all_models_unavailable', 'Every model of the route is kept out after failures', {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** The same once more for another call: an error belongs to one. */
function toldAgain({ code, message, model, status, answer, reason }: SignalboxError): SignalboxError {
  return new SignalboxError(code, message, {
    ...(model !== undefined && { model }),
    ...(status !== undefined && { status }),
    ...(answer && { answer }),
    ...(reason !== undefined && { reason }),
  })
}

function soonest(errors: readonly SignalboxError[]): SignalboxError {
  return errors.reduce((best, error) =>
    (error.retryAfterMs ?? Infinity) < (best.retryAfterMs ?? Infinity) ? error : best,
  )
}
