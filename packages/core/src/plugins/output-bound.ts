import type { Call, Candidate } from '../types.ts'

/** The output that is reckoned with where neither the caller nor the model's configuration says more. */
const usualMaxOutputTokens = 16_384

/** The most tokens a request lets a model write in all its choices together. */
export function outputBoundOf({ request }: Call, { maxOutputTokens }: Candidate): number {
  const { maxOutputTokens: asked } = request.parameters
  return Math.max(0, Math.floor(asked ?? maxOutputTokens ?? usualMaxOutputTokens)) * choicesOf({ request })
}

/** The choices a request asks for: one at the least. */
export function choicesOf({ request }: Pick<Call, 'request'>): number {
  return Math.max(1, Math.floor(request.parameters.choices ?? 1))
}
