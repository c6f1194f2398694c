import { noUsage } from '../reply.ts'
import type { Request, Usage } from '../types.ts'

/** Characters of a token, on the average of western languages. */
const charactersPerToken = 4

/** Counts what was used where the provider does not say: an estimate, and marked as one wherever it goes. */
export function estimateUsage(request: Request, outputLength: number): Usage {
  return {
    ...noUsage,
    inputTokens: Math.ceil(request.text.length / charactersPerToken),
    outputTokens: Math.ceil(outputLength / charactersPerToken),
  }
}
