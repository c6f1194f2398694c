import { denseCount } from './features/dense.ts'
import { codeWidth } from './model/encoder.ts'
import { type LearnedModel, type ModelTable, tableWidth } from './model/model.ts'
import { denseWidth, noScoreHeads } from './model/score-heads.ts'

/** A profile as it is kept: JSON of at most {@link mostBytes}, weights as integers of 8 bits, or of 4, in base64. */
export interface ProfileFile {
  readonly format: 'signalbox-profile'
  readonly version: 1
  /** Whether it may choose models: whether it was above the zero router on prompts it did not train on. */
  readonly enabled: boolean
  readonly rank: number
  readonly bucketCount: number
  readonly vectorCount: number
  readonly vectors: HalfBytes
  readonly dense: { readonly mean: readonly number[]; readonly deviation: readonly number[] }
  readonly domains: readonly string[]
  readonly domainHeads: Weights
  readonly models: readonly ModelFile[]
  readonly scoreHeads?: { readonly hashed: HalfBytes; readonly dense: Weights }
  readonly headShare: number
  /** Above which difficulty a prompt is moderate, and above which it is complex. */
  readonly complexity: Complexity
}

/** Two bounds of difficulty, each from 0 to 1. */
export interface Complexity {
  readonly moderate: number
  readonly complex: number
}

interface ModelFile {
  readonly name: string
  readonly meanScore: number
  readonly meanCostUsd?: number
  readonly gains: Weights
  readonly costs?: Weights
}

/** A scale, and integers from -127 to 127 in base64: each weight is their product. */
type Weights = readonly [scale: number, data: string]

/** The same with integers from -7 to 7, two in each byte. The hashed weights lose nothing by it, and there fit twice as many. */
type HalfBytes = Weights

/** The size of a profile's file is never above this. */
export const mostBytes = 32 * 1024

/** What does not change with the weights: names, numbers and the words of the format. */
const fixedBytes = 1600
const bytesPerModel = { gains: 75, costs: 65, dense: 4 }
/** How many fitted when their weights had eight bits; the room that four leave free goes to the score heads. */
const mostVectors = 1055

/** What a profile holds. */
export interface Contents {
  readonly rank: number
  readonly domains: readonly string[]
  readonly models: readonly string[]
  /** Whether costs are known. */
  readonly costs: boolean
  /** How many vectors there are. @default as many as fit, up to 1,055 */
  readonly vectorCount?: number
}

/** How many weights a profile has room for. */
export interface Sizes {
  readonly vectorCount: number
  readonly bucketCount: number
  /** Whether there is room for score heads, which have a weight for every bucket. */
  readonly hasHeads: boolean
}

/**
 * How many vectors fit into a file beside the tables, and how many buckets of score heads beside those.
 *
 * @throws TypeError where there are too many models and domains for a file
 */
export function sizesThatFit({ rank, domains, models, costs, vectorCount: given }: Contents): Sizes {
  const names = [...domains, ...models].reduce((sum, name) => sum + Buffer.byteLength(JSON.stringify(name)) + 1, 0)
  const tables = models.length * tableWidth(domains.length) * (costs ? 2 : 1)
  const perModel = bytesPerModel.gains + (costs ? bytesPerModel.costs : 0) + bytesPerModel.dense
  const left = mostBytes - fixedBytes - names - perModel * models.length
  const bytes = (left * 3) / 4 - domains.length * codeWidth(rank) - tables
  const vectorCount = given ?? Math.min(mostVectors, Math.floor((2 * bytes) / rank))
  if (vectorCount < 1) throw tooMany(models, domains)
  const forHeads = 2 * (bytes - models.length * denseWidth) - vectorCount * rank
  const bucketsPerVector = Math.floor(forHeads / models.length / vectorCount)
  return { vectorCount, bucketCount: vectorCount * Math.max(1, bucketsPerVector), hasHeads: bucketsPerVector >= 1 }
}

const tooMany = (models: readonly unknown[], domains: readonly unknown[]) =>
  new TypeError(
    `rows: expected as many models and domains as fit into ${mostBytes} bytes, got ${models.length} and ${domains.length}`,
  )

/**
 * A learned model as it is kept.
 *
 * @throws TypeError where it is too large for a file
 */
export function fileOf(learned: LearnedModel, rest: Pick<ProfileFile, 'enabled' | 'complexity'>): ProfileFile {
  const { encoder, scoreHeads } = learned
  const file: ProfileFile = {
    format: 'signalbox-profile',
    version: 1,
    enabled: rest.enabled,
    rank: encoder.rank,
    bucketCount: encoder.bucketCount,
    vectorCount: encoder.vectorCount,
    headShare: rounded(learned.headShare),
    complexity: { moderate: rounded(rest.complexity.moderate), complex: rounded(rest.complexity.complex) },
    dense: {
      mean: Array.from(encoder.scale.mean, rounded),
      deviation: Array.from(encoder.scale.deviation, rounded),
    },
    domains: learned.domains,
    models: learned.models.map(({ name, meanScore, meanCostUsd, gains, costs }) => ({
      name,
      meanScore: rounded(meanScore),
      ...(meanCostUsd !== undefined && { meanCostUsd: rounded(meanCostUsd), costs: pack(costs) }),
      gains: pack(gains),
    })),
    ...(scoreHeads.hashed.length > 0 && {
      scoreHeads: { hashed: packHalf(scoreHeads.hashed), dense: pack(scoreHeads.dense) },
    }),
    domainHeads: pack(learned.domainHeads),
    vectors: packHalf(encoder.vectors),
  }
  if (Buffer.byteLength(JSON.stringify(file)) > mostBytes) throw tooMany(learned.models, learned.domains)
  return file
}

/** What a file holds. @throws TypeError when it is no profile, saying where and what came instead. */
export function learnedOf(file: ProfileFile): LearnedModel {
  if (file?.format !== 'signalbox-profile' || file.version !== 1)
    throw new TypeError(`a profile: expected the format "signalbox-profile", version 1, got ${brief(file)}`)
  checkParts(file)
  const { rank, bucketCount, vectorCount, domains, models, headShare, scoreHeads } = file
  const width = codeWidth(rank)
  const scale = { mean: dense(file, 'mean'), deviation: dense(file, 'deviation') }
  return {
    encoder: {
      rank,
      bucketCount,
      vectorCount,
      scale,
      vectors: unpackHalf(file.vectors, vectorCount * rank, 'vectors'),
    },
    domains,
    domainHeads: unpack(file.domainHeads, domains.length * width, 'domainHeads'),
    models: models.map((model, at) => tableOf(model, tableWidth(domains.length), `models[${at}]`)),
    scoreHeads: scoreHeads
      ? {
          hashed: unpackHalf(scoreHeads.hashed, models.length * bucketCount, 'scoreHeads.hashed'),
          dense: unpack(scoreHeads.dense, models.length * denseWidth, 'scoreHeads.dense'),
        }
      : noScoreHeads,
    headShare: scoreHeads ? headShare : 0,
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) > 0 && (value as number) < mostBytes

function checkParts(file: ProfileFile): void {
  const { complexity, domains, models } = file
  const parts: readonly (readonly [where: string, expected: string, value: unknown, fits: boolean])[] = [
    ...(['rank', 'bucketCount', 'vectorCount'] as const).map(
      (name) => [name, 'a count', file[name], isCount(file[name])] as const,
    ),
    ['headShare', 'a number', file.headShare, isNumber(file.headShare)],
    ['enabled', 'true or false', file.enabled, typeof file.enabled === 'boolean'],
    ['complexity', 'two numbers', complexity, isNumber(complexity?.moderate) && isNumber(complexity?.complex)],
    ['domains', 'a list of names', domains, Array.isArray(domains) && domains.length > 0 && domains.every(isText)],
    ['models', 'a list of models', models, Array.isArray(models) && models.length > 0 && models.every(isModel)],
  ]
  for (const [where, expected, value, fits] of parts)
    if (!fits) throw new TypeError(`a profile, ${where}: expected ${expected}, got ${brief(value)}`)
}

const isModel = (model: Partial<ModelFile> | null) =>
  isText(model?.name) &&
  isNumber(model?.meanScore) &&
  (model.meanCostUsd === undefined || (isNumber(model.meanCostUsd) && model.meanCostUsd >= 0))

function tableOf({ name, meanScore, meanCostUsd, gains, costs }: ModelFile, width: number, where: string): ModelTable {
  return {
    name,
    meanScore,
    meanCostUsd,
    gains: unpack(gains, width, `${where}.gains`),
    costs: costs ? unpack(costs, width, `${where}.costs`) : new Float32Array(width),
  }
}

function dense({ dense: given }: ProfileFile, field: 'mean' | 'deviation'): Float32Array {
  const numbers: unknown = given?.[field]
  if (!Array.isArray(numbers) || numbers.length !== denseCount || !numbers.every(isNumber))
    throw new TypeError(`a profile, dense.${field}: expected ${denseCount} numbers, got ${brief(numbers)}`)
  return Float32Array.from(numbers)
}

function pack(weights: Float32Array): Weights {
  let most = 0
  for (const weight of weights) most = Math.max(most, Math.abs(weight))
  const { scale, integers } = integersOf(weights, most, 127)
  return [scale, Buffer.from(integers.buffer).toString('base64')]
}

/** So many weights in a thousand are cut to the largest integer, so that the rest has finer steps. */
const cutPerThousand = 1

function packHalf(weights: Float32Array): HalfBytes {
  const sizes = weights.map(Math.abs).toSorted()
  const most = sizes[Math.floor(((sizes.length - 1) * (1000 - cutPerThousand)) / 1000)]!
  const { scale, integers } = integersOf(weights, most, 7)
  const bytes = new Uint8Array(Math.ceil(integers.length / 2))
  for (let at = 0; at < integers.length; at++) bytes[at >> 1]! += (integers[at]! + 8) << (4 * (at & 1))
  return [scale, Buffer.from(bytes).toString('base64')]
}

function integersOf(weights: Float32Array, most: number, largest: number): { scale: number; integers: Int8Array } {
  const scale = most > 0 ? rounded(most / largest) : 1
  const integers = Int8Array.from(weights, (weight) =>
    Math.max(-largest, Math.min(largest, Math.round(weight / scale))),
  )
  return { scale, integers }
}

function unpack(weights: Weights, length: number, where: string): Float32Array {
  const { scale, bytes } = bytesOf(weights, length, where)
  return Float32Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, length), (integer) => integer * scale)
}

function unpackHalf(weights: HalfBytes, length: number, where: string): Float32Array {
  const { scale, bytes } = bytesOf(weights, Math.ceil(length / 2), where)
  return Float32Array.from({ length }, (_, at) => (((bytes[at >> 1]! >> (4 * (at & 1))) & 15) - 8) * scale)
}

function bytesOf(weights: Weights, length: number, where: string): { scale: number; bytes: Buffer } {
  const [scale, data] = Array.isArray(weights) ? weights : []
  if (!isNumber(scale) || !isText(data))
    throw new TypeError(`a profile, ${where}: expected a scale and its weights, got ${brief(weights)}`)
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length !== length) throw new TypeError(`a profile, ${where}: expected ${length} bytes, got ${bytes.length}`)
  return { scale, bytes }
}

/** Six digits are more than an 8-bit weight has. */
const rounded = (value: number) => Number(value.toPrecision(6))

const brief = (value: unknown) => (JSON.stringify(value) ?? String(value)).slice(0, 80)
