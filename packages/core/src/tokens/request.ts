import { unlessTooDeep } from '../dialects/json-request.ts'
import type { CandidateView, Request } from '../types.ts'
import { type MediaPart, inputTokensUpperBound } from './bounds.ts'
import { estimateTokens } from './estimate.ts'

/** What a request asks for in tokens: its input as estimated, its output as it limits it. */
export interface RequestTokens {
  readonly inputTokens: number
  /** The most it lets the model write, in all its choices; 0 where it says nothing. */
  readonly outputTokens: number
  /** How many answers it asks for. */
  readonly choices: number
}

/** Tokens that stand around each message in every provider's own format. */
const tokensPerMessage = 4

/** A picture of a million pixels, a page of a document, half a minute of sound or of film: nobody opens them here to see how large they are. */
const typicalTokens: Readonly<Record<MediaPart['kind'], number>> = {
  image: 1_300,
  file: 2_000,
  audio: 600,
  video: 9_000,
}

/** What tokens are counted in. */
export type Countable = Pick<Request, 'messages' | 'tools' | 'parameters' | 'media'>

const counted = new WeakMap<Countable, RequestTokens>()

/** Estimates a request's tokens, once for each request. */
export function tokensOf(request: Countable): RequestTokens {
  const known = counted.get(request)
  if (known) return known
  const { messages, tools, parameters } = request
  const said = messages.reduce((sum, { text, unspoken = '' }) => {
    return sum + estimateTokens(text) + estimateTokens(unspoken) + tokensPerMessage
  }, 0)
  const shown = request.media.parts.reduce((sum, { kind }) => sum + typicalTokens[kind], 0)
  const offered = tools.length === 0 ? 0 : estimateTokens(unlessTooDeep(() => JSON.stringify(tools)))
  const choices = counts(parameters.choices, 1)
  const outputTokens = counts(outputOf(request) * choices, 0)
  const tokens = { inputTokens: said + shown + offered, outputTokens, choices }
  counted.set(request, tokens)
  return tokens
}

/** A request's tokens where they were counted already. */
export const countedTokens = (request: Request): RequestTokens | undefined => counted.get(request)

/** Takes a request's tokens as they were counted at another time. */
export const rememberTokens = (request: Request, tokens: RequestTokens): void => void counted.set(request, tokens)

/** More than any model writes; sums of such counts stay exact. */
const mostCounted = 2 ** 40

/** What a caller asked for as a count to reckon with: nonsense counts as the least or as the most. */
const counts = (asked: number | undefined, least: number) =>
  Math.min(Math.max(least, Math.ceil(asked ?? least)), mostCounted)

/** The most output one choice may have; 0 where the request does not say. */
const outputOf = ({ parameters }: Countable) => counts(parameters.maxOutputTokens, 0)

/**
 * Whether a request and the output it asks for fit into a model's context window. A token is at least a byte, so a body
 * that is smaller than the window fits without counting.
 */
export function withinWindow(request: Request, { contextWindow }: Pick<CandidateView, 'contextWindow'>): boolean {
  if (contextWindow === undefined) return true
  const output = outputOf(request)
  if (request.bytes.length + output <= contextWindow) return true
  return tokensOf(request).inputTokens + output <= contextWindow
}

/** A request whose media nothing bounds fills the largest window there is. */
const largestWindow = 2_097_152

/** The most input tokens a request can be billed for at a model. */
export function inputBoundOf(request: Request, contextWindow: number = largestWindow): number {
  const { parts, bytes } = request.media
  const hasTools = request.tools.length > 0
  return inputTokensUpperBound({ textBytes: request.bytes.length - bytes, media: parts, hasTools, contextWindow })
}
