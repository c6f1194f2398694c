import { dialects } from '../dialects/index.ts'
import type { Call, Candidate } from '../types.ts'

/** The call with a limit on what the model may write in each choice, in tokens. */
export function limitOutput(call: Call, { provider }: Candidate, tokens: number): Call {
  return { ...call, request: dialects[call.dialect].limitOutput(call.request, tokens, provider) }
}
