import { dialects } from '../dialects/index.ts'
import type { Attempt, Call, Candidate, Request } from '../types.ts'
import { askedOutputOf, choicesOf, outputBoundOf } from './output-bound.ts'

/** Requests that had no limit on their output until they got one here. */
const limited = new WeakSet<Request>()

/** The call with a limit on what the model may write in each choice, in tokens. */
export function limitOutput(call: Call, { provider }: Candidate, tokens: number): Call {
  const request = dialects[call.dialect].limitOutput(call.request, tokens, provider)
  limited.add(request)
  return { ...call, request }
}

/** Whether a caller leaves it open how much the model may write. */
export const leavesOutputOpen = (request: Request): boolean =>
  limited.has(request) || askedOutputOf(request) === undefined

/** Whether neither the request nor the configuration says how much the model may write. */
export const isUnbounded = ({ call, candidate }: Attempt): boolean =>
  call.surface === 'chat' && candidate.maxOutputTokens === undefined && askedOutputOf(call.request) === undefined

/** The attempt with the limit on its output that its money is reckoned with, where nothing else sets one. */
export function boundOutput(attempt: Attempt): Attempt {
  if (!isUnbounded(attempt)) return attempt
  const { call, candidate } = attempt
  return { ...attempt, call: limitOutput(call, candidate, outputBoundOf(call, candidate) / choicesOf(call)) }
}
