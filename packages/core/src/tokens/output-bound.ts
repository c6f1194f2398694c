import type { Call, Candidate, Request } from '../types.ts'

/** The output that is reckoned with where neither the caller nor the model's configuration says more. */
const usualMaxOutputTokens = 16_384
/** No count is reckoned with beyond it. */
const largestCount = 2 ** 31

/** The most tokens a request lets a model write in all its choices together: never more than a number counts exactly. */
export function outputBoundOf(
  { request, surface }: Pick<Call, 'request' | 'surface'>,
  { maxOutputTokens }: Pick<Candidate, 'maxOutputTokens'>,
): number {
  if (surface === 'embeddings') return 0
  const each = askedOutputOf(request) ?? maxOutputTokens ?? usualMaxOutputTokens
  return Math.min(Math.min(each, largestCount) * choicesOf({ request }), Number.MAX_SAFE_INTEGER)
}

/** The limit a request sets on each of its choices. One below 1 is none: to some providers it means without end. */
export function askedOutputOf({ parameters: { maxOutputTokens: asked } }: Request): number | undefined {
  return asked !== undefined && asked > 0 ? Math.ceil(asked) : undefined
}

/** The choices a request asks for: one at the least. */
export function choicesOf({ request }: Pick<Call, 'request'>): number {
  return Math.min(Math.max(1, Math.ceil(request.parameters.choices ?? 1)), largestCount)
}
