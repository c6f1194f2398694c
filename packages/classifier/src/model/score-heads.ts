import { denseCount } from '../features/dense.ts'
import type { Features } from '../features/features.ts'
import { sigmoid } from './encoder.ts'

/** For each model the logit of its score, linear in the hashed features themselves: finer than what vectors tell apart. */
export interface ScoreHeads {
  /** A weight for each bucket, of one model behind the other. None at all where there is no room for them. */
  readonly hashed: Float32Array
  /** A weight for each dense feature and a constant, of one model behind the other. */
  readonly dense: Float32Array
}

export const noScoreHeads: ScoreHeads = { hashed: new Float32Array(0), dense: new Float32Array(0) }

/** How many numbers a head has beside its hashed weights. */
export const denseWidth = denseCount + 1

/** What the head of a model takes: the buckets there are, and the dense features as a code ends with them. */
export interface ScoreInput {
  readonly bucketCount: number
  readonly features: Features
  /** The dense features in deviations, and a 1. */
  readonly dense: Float32Array
}

/** The score, from 0 to 1, that a head expects of model `index`. */
export function scoreOf(
  { hashed, dense: own }: ScoreHeads,
  index: number,
  { bucketCount, features, dense }: ScoreInput,
) {
  const { buckets, values } = features
  let sum = 0
  for (let at = 0; at < buckets.length; at++) sum += hashed[index * bucketCount + buckets[at]!]! * values[at]!
  for (let k = 0; k < denseWidth; k++) sum += own[index * denseWidth + k]! * dense[k]!
  return sigmoid(sum)
}
