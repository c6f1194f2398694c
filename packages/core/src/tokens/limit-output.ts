import { dialects } from '../dialects/index.ts'
import type { Attempt, Call, Candidate } from '../types.ts'
import { askedOutputOf, choicesOf, outputBoundOf } from './output-bound.ts'

/** The call with a limit on what the model may write in each choice, in tokens. */
export function limitOutput(call: Call, { provider }: Candidate, tokens: number): Call {
  return { ...call, request: dialects[call.dialect].limitOutput(call.request, tokens, provider) }
}

/** Whether a caller leaves it open how much the model may write: no limit is set, or none but ours. */
export function leavesOutputOpen({ call: { request }, ourOutputTokens }: Attempt): boolean {
  const asked = askedOutputOf(request)
  return asked === undefined || asked === ourOutputTokens
}

/** Whether neither the request nor the configuration says how much the model may write. */
export const isUnbounded = ({ call, candidate }: Attempt): boolean =>
  call.surface === 'chat' && candidate.maxOutputTokens === undefined && askedOutputOf(call.request) === undefined

/** The attempt with the limit on its output that its money is reckoned with, where nothing else sets one. */
export function boundOutput(attempt: Attempt): Attempt {
  if (!isUnbounded(attempt)) return attempt
  const { call, candidate } = attempt
  const ourOutputTokens = outputBoundOf(call, candidate) / choicesOf(call)
  return { ...attempt, call: limitOutput(call, candidate, ourOutputTokens), ourOutputTokens }
}
