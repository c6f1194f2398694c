import { denseCount } from '../features/dense.ts'
import type { Features } from '../features/features.ts'

/** Where the dense features lie in the prompts that were trained on. */
export interface DenseScale {
  readonly mean: Float32Array
  readonly deviation: Float32Array
}

/** Reads prompts: a sum of learned vectors, one for each hashed feature, beside the dense features. */
export interface Encoder {
  /** How many buckets features are hashed into: a whole multiple of `vectorCount`. */
  readonly bucketCount: number
  /** How many vectors there are. Buckets that lie side by side share one. */
  readonly vectorCount: number
  /** The length of the learned vectors. */
  readonly rank: number
  /** All vectors, one behind the other. */
  readonly vectors: Float32Array
  readonly scale: DenseScale
}

/** One linear function of what an encoder gives, or several: `rank + denseCount + 1` weights each, the constant last. */
export type Heads = Float32Array

/** Beyond this many deviations a dense feature says no more. */
const mostDeviations = 2.5

/** How many numbers an encoder gives for a prompt, the constant 1 at the end included. */
export const codeWidth = (rank: number) => rank + denseCount + 1

/** What an encoder makes of features: the summed vectors, the dense features in deviations, and a 1. */
export function encode(
  encoder: Encoder,
  features: Features,
  code: Float32Array = new Float32Array(codeWidth(encoder.rank)),
): Float32Array {
  const { rank, vectors, scale, bucketCount, vectorCount } = encoder
  const { buckets, values } = features
  const shared = bucketCount / vectorCount
  code.fill(0, 0, rank)
  for (let at = 0; at < buckets.length; at++) {
    const value = values[at]!
    const from = Math.floor(buckets[at]! / shared) * rank
    for (let k = 0; k < rank; k++) code[k]! += value * vectors[from + k]!
  }
  scaleDense(features.dense, scale, code.subarray(rank))
  code[code.length - 1] = 1
  return code
}

/** Writes dense features in deviations from the mean, within bounds. */
function scaleDense(dense: Float32Array, { mean, deviation }: DenseScale, into: Float32Array): void {
  for (let k = 0; k < denseCount; k++) {
    const deviations = (dense[k]! - mean[k]!) / deviation[k]!
    into[k] = Math.max(-mostDeviations, Math.min(mostDeviations, deviations))
  }
}

/** The mean and deviation of each dense feature; a feature that never changes counts as it is. */
export function denseScaleOf(rows: readonly Features[]): DenseScale {
  const mean = new Float32Array(denseCount)
  const deviation = new Float32Array(denseCount)
  for (let k = 0; k < denseCount; k++) {
    let sum = 0
    let squares = 0
    for (const { dense } of rows) {
      sum += dense[k]!
      squares += dense[k]! ** 2
    }
    mean[k] = sum / rows.length
    deviation[k] = Math.sqrt(Math.max(0, squares / rows.length - mean[k]! ** 2))
    if (deviation[k]! < 1e-3) deviation[k] = 1
  }
  return { mean, deviation }
}

/** The value of head `index` for a code. */
export function headValue(heads: Heads, index: number, code: Float32Array): number {
  let sum = 0
  const from = index * code.length
  for (let k = 0; k < code.length; k++) sum += heads[from + k]! * code[k]!
  return sum
}

/** How likely each domain is: the heads' values as probabilities that sum to 1. */
export function softmax(heads: Heads, count: number, code: Float32Array): Float64Array {
  const chances = new Float64Array(count)
  let most = -Infinity
  for (let at = 0; at < count; at++) {
    chances[at] = headValue(heads, at, code)
    if (chances[at]! > most) most = chances[at]!
  }
  let sum = 0
  for (let at = 0; at < count; at++) sum += chances[at] = Math.exp(chances[at]! - most)
  for (let at = 0; at < count; at++) chances[at]! /= sum
  return chances
}

export const sigmoid = (value: number) => 1 / (1 + Math.exp(-value))
