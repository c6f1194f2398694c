import { SignalboxError, type SignalboxErrorCode, isSignalboxError } from './errors.ts'
import type { RouteHook } from './plugin.ts'
import type { Ranked } from './types.ts'

/**
 * What a route does unless a plugin takes its place: first those candidates that can start now, in order; then those that
 * only had to wait their turn.
 */
export const tryInTurn: RouteHook = async (call, ranked, attempt) => {
  const refusals = new Map<string, SignalboxError>()
  let failure: SignalboxError | undefined
  let waiting: Ranked[] = []

  for (const mayWait of [false, true]) {
    const candidates = mayWait ? waiting : ranked
    waiting = []
    for (const candidate of candidates) {
      if (failure?.reason === contextLength && !isLarger(candidate.name, failure.model)) continue
      try {
        return await attempt(candidate, { mayWait })
      } catch (error) {
        if (!isSignalboxError(error)) throw error
        if (!isRefusal(error)) failure = error
        else refusals.set(candidate.name, error)
        if (error.code === 'rate_limit_exceeded') waiting.push(candidate)
        if (!error.movesOn && error.reason !== contextLength) throw error
      }
    }
  }
  throw failure ?? summary([...refusals.values()])

  function isLarger(name: string, than = ''): boolean {
    const { candidates } = attempt
    return (candidates.get(name)?.contextWindow ?? 0) > (candidates.get(than)?.contextWindow ?? Infinity)
  }
}

/** The reason of a refusal that a model with a larger context window may not share. */
const contextLength = 'context_length_exceeded'

/** A refusal is no attempt: nothing was sent. */
const isRefusal = ({ code }: SignalboxError) =>
  code === 'rate_limit_exceeded' || code === 'model_unavailable' || isMoney(code)

const moneyCodes: ReadonlySet<SignalboxErrorCode> = new Set(['budget_exceeded', 'max_cost_exceeded', 'price_unknown'])
const isMoney = (code: SignalboxErrorCode) => moneyCodes.has(code)

/** One error for a route on which nothing could be tried: it says when to come back. */
function summary(refusals: readonly SignalboxError[]): SignalboxError {
  const held = refusals.map(({ cause }) => cause)
  const limited = refusals.filter(({ code }) => code === 'rate_limit_exceeded')
  if (limited.length > 0) return soonest(limited)
  const unpaid = refusals.find(({ code }) => isMoney(code))
  if (unpaid) return unpaid
  if (held.length > 0 && held.every(isSignalboxError)) return held[0] as SignalboxError
  const retryAfterMs = soonest(refusals).retryAfterMs
  return new SignalboxError('all_models_unavailable', 'Every model of the route is kept out after failures', {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function soonest(errors: readonly SignalboxError[]): SignalboxError {
  return errors.reduce((best, error) =>
    (error.retryAfterMs ?? Infinity) < (best.retryAfterMs ?? Infinity) ? error : best,
  )
}
