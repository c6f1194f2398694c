import type { TokenBounds } from '../money/price.ts'
import type { Attempt } from '../types.ts'
import { outputBoundOf } from './output-bound.ts'
import { inputBoundOf } from './request.ts'

/** The most tokens that an attempt can be billed for. */
export const tokenBoundsOf = ({ call, candidate }: Attempt): TokenBounds => ({
  inputTokens: inputBoundOf(call.request, candidate.contextWindow),
  outputTokens: outputBoundOf(call, candidate),
})
