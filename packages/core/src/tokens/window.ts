export interface ContextWindowNeed {
  /** Estimated or exact. */
  inputTokens: number
  /** What the caller lets the model answer. @default 0 */
  outputTokens?: number | undefined
  /** What input and output may be together. Undefined where it is not known: then everything fits. */
  contextWindow: number | undefined
}

/**
 * Whether a request and the answer it asks for fit a model's context window.
 *
 * @example
 * fitsContextWindow({ inputTokens: 120_000, outputTokens: 16_000, contextWindow: 128_000 }) // false
 */
export function fitsContextWindow({ inputTokens, outputTokens = 0, contextWindow }: ContextWindowNeed): boolean {
  return contextWindow === undefined || inputTokens + outputTokens <= contextWindow
}
