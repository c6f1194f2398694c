import { noUsage } from '../reply.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Billed } from '../errors.ts'
import type { Request, Usage } from '../types.ts'

/** Bytes of UTF-8 in a token: about four in English, and in Chinese, whose characters have three, about as many. */
const bytesPerToken = 4

/** What came of an answer before it ended, where the provider does not say what it counted. */
export interface Seen {
  /** Of the answer's text, in UTF-8. */
  readonly textBytes: number
  /** Events with text: each is a token at least. */
  readonly deltas?: number
}

/** Counts what was used where the provider does not say: an estimate, and marked as one wherever it goes. */
export function estimateUsage(request: Request, { textBytes, deltas = 0 }: Seen): Usage {
  const { inputTokens, outputTokens } = tokensOf(request)
  const seen = Math.max(Math.ceil(textBytes / bytesPerToken), deltas)
  return { ...noUsage, inputTokens, outputTokens: outputTokens > 0 ? Math.min(seen, Math.ceil(outputTokens)) : seen }
}

/**
 * What a provider may bill: what it said, once the answer was finished. What it says before counts only as far as it had
 * come, so of an answer that broke off the larger of that and an estimate stands.
 */
export function billedFor(
  said: Usage | undefined,
  request: Request,
  { seen, whole }: { seen: Seen; whole: boolean },
): Billed {
  if (said && whole) return { usage: said, estimated: false }
  const usage = estimateUsage(request, seen)
  if (!said) return { usage, estimated: true }
  const outputTokens = Math.max(said.outputTokens, usage.outputTokens - said.reasoningTokens)
  return { usage: { ...said, outputTokens }, estimated: true }
}
