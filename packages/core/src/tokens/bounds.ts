/** Something in a request that is not text. */
export interface MediaPart {
  kind: 'image' | 'audio' | 'video' | 'file'
  /** How long a sound or film lasts, where the request says so or the bytes were measured. */
  durationMs?: number | undefined
  /** How many pages a document has, where that is known. */
  pages?: number | undefined
}

/** The most tokens a vendor counts for media. What is left out has no bound but the context window. */
export interface MediaBounds {
  tokensPerImage?: number
  tokensPerAudioSecond?: number
  tokensPerVideoSecond?: number
  tokensPerPage?: number
}

export type MediaVendor = 'openai' | 'anthropic' | 'google' | 'unknown'

/**
 * What a part costs at most by the vendors' documentation. What depends on the text inside a document is not in it,
 * since compressed text has no bound.
 *
 * - openai: "Images and vision". gpt-4o-mini is the dearest in tokens: 2,833 + 5,667 for each of the at most 8 tiles of
 *   512 px in 768 x 2,048; the patch models stay below (10,000 patches x 1.2). Audio: a token for 50 ms.
 * - anthropic: "Images and vision". Patches of 28 x 28 px, at most 4,784 of them from Opus 4.7 on, 1,568 before.
 *   "PDF support": up to 3,000 tokens of text a page, and an image of the page.
 * - google: "Media resolution". 2,240 for an image at ultra high; 32 a second of sound; a frame a second of film at 280
 *   with its sound; 1,120 for a page at high.
 * - unknown: the largest of each.
 *
 * The patch size, the tile size and the 2,240 were checked in November 2026; the other figures were not.
 */
export const mediaBounds: Readonly<Record<MediaVendor, Readonly<MediaBounds>>> = {
  openai: { tokensPerImage: 2_833 + 8 * 5_667, tokensPerAudioSecond: 20 },
  anthropic: { tokensPerImage: 4_784, tokensPerPage: 3_000 + 4_784 },
  google: { tokensPerImage: 2_240, tokensPerAudioSecond: 32, tokensPerVideoSecond: 280 + 32, tokensPerPage: 1_120 },
  unknown: { tokensPerImage: 2_833 + 8 * 5_667, tokensPerAudioSecond: 32, tokensPerVideoSecond: 312 },
}

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
  /** @default mediaBounds.unknown */
  bounds?: MediaBounds | undefined
  /** In tokens; no request that is served is larger. @default Infinity */
  contextWindow?: number | undefined
}

/**
 * The most input tokens a request can be billed for. A token of a byte-level tokenizer (o200k, Llama, Qwen, DeepSeek)
 * is at least one byte, and of one with byte fallback (Gemini, Mistral) at least one byte but for a blank at the start;
 * what a chat template adds to a message is less than the JSON around it. Infinity when a part has no bound and the
 * window is not known.
 */
export function inputTokensUpperBound(options: InputBoundOptions): number {
  const { textBytes, media = [], hasTools = false, bounds = mediaBounds.unknown, contextWindow = Infinity } = options
  let tokens = textBytes + 1 + (hasTools ? toolPromptTokens : 0)
  for (const part of media) tokens += mediaTokensUpperBound(part, bounds)
  return Math.min(tokens, contextWindow)
}

/** The most tokens one part can be billed for; Infinity when nothing bounds it. */
export function mediaTokensUpperBound(
  { kind, durationMs, pages }: MediaPart,
  bounds: MediaBounds = mediaBounds.unknown,
): number {
  if (kind === 'image') return bounds.tokensPerImage ?? Infinity
  if (kind === 'file') return times(pages, bounds.tokensPerPage)
  const seconds = durationMs === undefined ? undefined : Math.ceil(durationMs / 1_000)
  return times(seconds, kind === 'audio' ? bounds.tokensPerAudioSecond : bounds.tokensPerVideoSecond)
}

const times = (count: number | undefined, tokens: number | undefined) =>
  count === undefined || tokens === undefined ? Infinity : count * tokens
