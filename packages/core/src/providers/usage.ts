import { noUsage } from '../reply.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Request, Usage } from '../types.ts'

/** Bytes of UTF-8 in a token: about four in English, and in Chinese, whose characters have three, about as many. */
const bytesPerToken = 4

/** What came of an answer before it ended, where the provider does not say what it counted. */
export interface Seen {
  /** Of the answer's text, in UTF-8. */
  readonly textBytes: number
  /** Events with text: each is a token at least. */
  readonly deltas?: number
  /** What the provider had counted of the input. */
  readonly counted?: Usage | undefined
}

/** Counts what was used where the provider does not say: an estimate, and marked as one wherever it goes. */
export function estimateUsage(request: Request, { textBytes, deltas = 0, counted }: Seen): Usage {
  const { inputTokens, outputTokens } = tokensOf(request)
  const seen = Math.max(Math.ceil(textBytes / bytesPerToken), deltas)
  const written = outputTokens > 0 ? Math.min(seen, Math.ceil(outputTokens)) : seen
  return { ...(counted ?? { ...noUsage, inputTokens }), reasoningTokens: 0, outputTokens: written }
}
