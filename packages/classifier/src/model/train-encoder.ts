import { seededRandom } from '@signalbox/core'
import type { Features } from '../features/features.ts'
import { type DenseScale, type Encoder, type Heads, codeWidth, encode, headValue, sigmoid, softmax } from './encoder.ts'

/** What an encoder learns from. All arrays are as long as there are prompts. */
export interface EncoderTask {
  readonly features: readonly Features[]
  readonly scale: DenseScale
  readonly bucketCount: number
  readonly vectorCount: number
  readonly rank: number
  /** The domain of each prompt by its index, -1 where it is not known. */
  readonly domains: Int32Array
  readonly domainCount: number
  /** The score of each model on each prompt, NaN where it is not known. None where scores are not to shape the vectors. */
  readonly scores: readonly Float32Array[]
}

/** An encoder with the heads for the domains that it was trained with. */
export interface TrainedEncoder {
  readonly encoder: Encoder
  readonly domainHeads: Heads
}

const epochs = 3
const vectorRate = 0.1
const headRate = 0.05

/**
 * Trains vectors and heads together by stochastic gradient descent (Adagrad): domains by their softmax, scores as
 * chances. The passes are few on purpose: outcomes of single calls are mostly luck, and more passes learn the luck.
 */
export function trainEncoder(task: EncoderTask, onEpoch?: (epoch: number, of: number) => void): TrainedEncoder {
  const random = seededRandom(7)
  const trainer = new Trainer(task, random)
  const order = Uint32Array.from(task.features, (_, at) => at)
  for (let epoch = 1; epoch <= epochs; epoch++) {
    shuffle(order, random)
    for (const at of order) trainer.learn(at)
    onEpoch?.(epoch, epochs)
  }
  return { encoder: trainer.encoder, domainHeads: trainer.domains.weights }
}

class Trainer {
  readonly encoder: Encoder
  readonly domains: TrainedHeads
  readonly scores: TrainedHeads
  readonly #task: EncoderTask
  readonly #squares: Float32Array
  readonly #code: Float32Array
  /** What the heads ask of the vectors. */
  readonly #pull: Float32Array

  constructor(task: EncoderTask, random: () => number) {
    const { bucketCount, vectorCount, rank, scale } = task
    this.#task = task
    const vectors = Float32Array.from({ length: vectorCount * rank }, () => (random() - 0.5) * 0.1)
    this.encoder = { bucketCount, vectorCount, rank, scale, vectors }
    this.domains = new TrainedHeads(task.domainCount, rank, random)
    this.scores = new TrainedHeads(task.scores.length, rank, random)
    this.#squares = new Float32Array(vectorCount).fill(1e-3)
    this.#code = new Float32Array(codeWidth(rank))
    this.#pull = new Float32Array(rank)
  }

  /** Learns from one prompt. */
  learn(at: number): void {
    const { features, domains, domainCount, scores } = this.#task
    const [code, pull] = [this.#code, this.#pull]
    encode(this.encoder, features[at]!, code)
    pull.fill(0)
    for (let model = 0; model < scores.length; model++) {
      const score = scores[model]![at]!
      if (Number.isNaN(score)) continue
      const error = sigmoid(headValue(this.scores.weights, model, code)) - score
      this.scores.turn(model, error, code, pull)
    }
    const domain = domains[at]!
    if (domain >= 0) {
      const chances = softmax(this.domains.weights, domainCount, code)
      for (let head = 0; head < domainCount; head++) {
        this.domains.turn(head, chances[head]! - (head === domain ? 1 : 0), code, pull)
      }
    }
    this.#turnVectors(features[at]!)
  }

  #turnVectors({ buckets, values }: Features): void {
    const { vectors, rank, bucketCount, vectorCount } = this.encoder
    const [squares, pull, shared] = [this.#squares, this.#pull, bucketCount / vectorCount]
    let square = 0
    for (let k = 0; k < rank; k++) square += pull[k]! ** 2 / rank
    for (let at = 0; at < buckets.length; at++) {
      const vector = Math.floor(buckets[at]! / shared)
      const value = values[at]!
      squares[vector]! += square * value * value
      const step = (vectorRate * value) / Math.sqrt(squares[vector]!)
      const from = vector * rank
      for (let k = 0; k < rank; k++) vectors[from + k]! -= step * pull[k]!
    }
  }
}

class TrainedHeads {
  readonly weights: Heads
  readonly #squares: Float32Array

  constructor(count: number, rank: number, random: () => number) {
    const width = codeWidth(rank)
    this.weights = Float32Array.from({ length: count * width }, (_, at) =>
      at % width < rank ? (random() - 0.5) * 0.6 : 0,
    )
    this.#squares = new Float32Array(count * width).fill(1e-2)
  }

  turn(head: number, error: number, code: Float32Array, pull: Float32Array): void {
    const [weights, squares] = [this.weights, this.#squares]
    const [width, rank] = [code.length, pull.length]
    const from = head * width
    for (let k = 0; k < rank; k++) pull[k]! += error * weights[from + k]!
    for (let k = 0; k < width; k++) {
      const gradient = error * code[k]!
      if (gradient === 0) continue
      const sum = squares[from + k]! + gradient * gradient
      squares[from + k] = sum
      weights[from + k]! -= (headRate * gradient) / Math.sqrt(sum)
    }
  }
}

/** Puts indices into another order, in place. */
export function shuffle(order: Uint32Array, random: () => number): void {
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    const moved = order[at]!
    order[at] = order[other]!
    order[other] = moved
  }
}
