import type { Modality } from '../types.ts'

/** Something in a request that is not text. */
export interface MediaPart {
  kind: Exclude<Modality, 'text'>
}

/**
 * The most tokens that a vendor counts for one image. OpenAI ("Images and vision"): gpt-4o-mini is the dearest in tokens,
 * 2,833 + 5,667 for each of the at most 8 tiles of 512 px in 768 x 2,048; the patch models stay below (10,000 patches x 1.2).
 * Anthropic ("Images and vision") counts at most 4,784, Google ("Media resolution") 2,240.
 */
export const tokensPerImage = 2_833 + 8 * 5_667

/**
 * What providers put before a request that declares tools, over and above the declarations themselves: at most 530
 * tokens (Claude 3 Opus, in Anthropic's "Tool use"), and as many again for the tools they define
 * themselves.
 */
export const toolPromptTokens = 1_060

export interface InputBoundOptions {
  /** The request body in bytes of UTF-8, without the media that stand in it as base64. */
  textBytes: number
  /** @default none */
  media?: readonly MediaPart[] | undefined
  /** Whether the request declares tools. @default false */
  hasTools?: boolean | undefined
  /** In tokens; no request that is served is larger. @default Infinity */
  contextWindow?: number | undefined
}

/**
 * The most input tokens a request can be billed for. A token of a byte-level tokenizer (o200k, Llama, Qwen, DeepSeek)
 * is at least one byte, and of one with byte fallback (Gemini, Mistral) at least one byte but for a blank at the start;
 * what a chat template adds to a message is less than the JSON around it. Nothing but the context window bounds a document, a
 * sound or a film: how long it is nobody measures. Infinity where the window is not known either.
 */
export function inputTokensUpperBound(options: InputBoundOptions): number {
  const { textBytes, media = [], hasTools = false, contextWindow = Infinity } = options
  let tokens = textBytes + 1 + (hasTools ? toolPromptTokens : 0)
  for (const { kind } of media) tokens += kind === 'image' ? tokensPerImage : Infinity
  return Math.min(tokens, contextWindow)
}
