import { denseCount } from '../features/dense.ts'
import { type Features, type Prompt, featuresOf } from '../features/features.ts'
import { type Encoder, type Heads, encode, softmax } from './encoder.ts'
import { type ScoreHeads, type ScoreInput, denseWidth, scoreOf } from './score-heads.ts'

/** All that a profile has learned. */
export interface LearnedModel {
  readonly encoder: Encoder
  readonly domains: readonly string[]
  readonly domainHeads: Heads
  readonly models: readonly ModelTable[]
  readonly scoreHeads: ScoreHeads
  /** How much of a quality comes from the score heads, from 0 to 1; the rest comes from the tables. */
  readonly headShare: number
}

/** What is known of a model. */
export interface ModelTable {
  readonly name: string
  /** Its mean score on the prompts it was trained on. */
  readonly meanScore: number
  /** Its mean cost there, in US dollars; undefined where no row said. */
  readonly meanCostUsd: number | undefined
  /** What each domain, and then each dense feature, adds to the mean score. */
  readonly gains: Float32Array
  /** What each domain, and then each dense feature, adds to the cost, as a share of the mean cost. */
  readonly costs: Float32Array
}

/** What was read from a prompt. */
export interface Reading extends ScoreInput {
  readonly code: Float32Array
  /** How likely each domain is. */
  readonly chances: Float64Array
}

/** How many numbers a table holds. */
export const tableWidth = (domainCount: number) => domainCount + denseCount

/** What prompts are read with. */
export type Reader = Pick<LearnedModel, 'encoder' | 'domains' | 'domainHeads'>

/** Reads a prompt once, for all models. */
export const read = (reader: Reader, prompt: Prompt): Reading =>
  readFeatures(reader, featuresOf(prompt, reader.encoder.bucketCount))

/** Reads the features of a prompt, in as many buckets as the encoder's. */
export function readFeatures({ encoder, domains, domainHeads }: Reader, features: Features): Reading {
  const code = encode(encoder, features)
  const chances = softmax(domainHeads, domains.length, code)
  return { code, chances, features, bucketCount: encoder.bucketCount, dense: code.subarray(-denseWidth) }
}

/** The score that is expected of a model, mostly from 0 to 1. */
export function qualityOf(learned: LearnedModel, index: number, reading: Reading): number {
  const { meanScore, gains } = learned.models[index]!
  const fromTable = meanScore + tableValue(gains, reading)
  if (learned.headShare === 0) return fromTable
  const fromHead = scoreOf(learned.scoreHeads, index, reading)
  return fromTable + learned.headShare * (fromHead - fromTable)
}

/** What a call to a model is expected to cost, in US dollars; undefined where no row said. */
export function costUsdOf({ models }: LearnedModel, index: number, reading: Reading): number | undefined {
  const { meanCostUsd, costs } = models[index]!
  return meanCostUsd === undefined ? undefined : meanCostUsd * Math.max(0.05, 1 + tableValue(costs, reading))
}

/** The row of a least-squares problem that {@link tableValue} solves: chances, then dense features. */
export function tableRow({ code, chances }: Reading): Float64Array {
  const row = new Float64Array(tableWidth(chances.length))
  row.set(chances)
  const rank = code.length - denseCount - 1
  for (let k = 0; k < denseCount; k++) row[chances.length + k] = code[rank + k]!
  return row
}

function tableValue(table: Float32Array, { code, chances }: Reading): number {
  let sum = 0
  for (let at = 0; at < chances.length; at++) sum += table[at]! * chances[at]!
  const rank = code.length - denseCount - 1
  for (let k = 0; k < denseCount; k++) sum += table[chances.length + k]! * code[rank + k]!
  return sum
}

/** How much more a better model is better on prompts one deviation longer than the mean: what holds of models in general. */
export const gainOfLength = 0.4

/** How long the prompt is, in deviations of the logarithm from the mean of training. */
export const lengthOf = ({ code }: Reading) => code[code.length - denseCount - 1]!
