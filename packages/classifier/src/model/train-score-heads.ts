import { seededRandom } from '@signalbox/core'
import { type ScoreHeads, type ScoreInput, denseWidth, scoreOf } from './score-heads.ts'
import { shuffle } from './train-encoder.ts'

const epochs = 4
const hashedRate = 0.08
const denseRate = 0.024
const decay = 2e-5

/** Trains a head for each model by itself (logistic regression by Adagrad); `scores` are NaN where they are not known. */
export function trainScoreHeads(inputs: readonly ScoreInput[], scores: readonly Float32Array[]): ScoreHeads {
  const { bucketCount } = inputs[0]!
  const heads = {
    hashed: new Float32Array(scores.length * bucketCount),
    dense: new Float32Array(scores.length * denseWidth),
  }
  scores.forEach((known, model) => {
    const random = seededRandom(7)
    const order = Uint32Array.from(inputs, (_, at) => at).filter((at) => !Number.isNaN(known[at]))
    heads.dense[(model + 1) * denseWidth - 1] = logitOfMean(Array.from(order, (at) => known[at]!))
    const trained = new TrainedHead({
      hashed: heads.hashed.subarray(model * bucketCount, (model + 1) * bucketCount),
      dense: heads.dense.subarray(model * denseWidth, (model + 1) * denseWidth),
    })
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffle(order, random)
      for (const at of order) trained.learn(inputs[at]!, known[at]!)
    }
  })
  return heads
}

/** Where a head begins: at the mean, so that a model with few scores stays near it. Half a point more keeps it finite. */
function logitOfMean(scores: readonly number[]): number {
  const sum = scores.reduce((total, score) => total + score, 0.5)
  return Math.log(sum / (scores.length + 1 - sum))
}

class TrainedHead {
  readonly #head: ScoreHeads
  readonly #squares: ScoreHeads

  constructor(head: ScoreHeads) {
    this.#head = head
    this.#squares = {
      hashed: new Float32Array(head.hashed.length).fill(1e-2),
      dense: new Float32Array(denseWidth).fill(1e-2),
    }
  }

  learn(input: ScoreInput, score: number): void {
    const { features, dense } = input
    const { buckets, values } = features
    const [{ hashed, dense: own }, squares] = [this.#head, this.#squares]
    const error = scoreOf(this.#head, 0, input) - score
    for (let at = 0; at < buckets.length; at++) {
      const bucket = buckets[at]!
      const gradient = error * values[at]! + decay * hashed[bucket]!
      hashed[bucket]! -= (hashedRate * gradient) / grown(squares.hashed, bucket, gradient)
    }
    for (let k = 0; k < denseWidth; k++) {
      const gradient = error * dense[k]!
      own[k]! -= (denseRate * gradient) / grown(squares.dense, k, gradient)
    }
  }
}

/** Adds to the squares of the gradients so far, and gives their root. */
const grown = (squares: Float32Array, at: number, gradient: number) => Math.sqrt((squares[at]! += gradient * gradient))
