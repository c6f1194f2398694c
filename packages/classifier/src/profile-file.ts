import { denseCount } from './features/dense.ts'
import { codeWidth } from './model/encoder.ts'
import { type LearnedModel, type ModelTable, tableWidth } from './model/model.ts'

/** A profile as it is kept: JSON of at most {@link mostBytes}, weights as 8-bit integers in base64. */
export interface ProfileFile {
  readonly format: 'signalbox-profile'
  readonly version: 1
  /** Whether it may choose models: whether it was above the zero router on prompts it did not train on. */
  readonly enabled: boolean
  readonly rank: number
  readonly bucketCount: number
  readonly vectors: Weights
  readonly dense: { readonly mean: readonly number[]; readonly deviation: readonly number[] }
  readonly domains: readonly string[]
  readonly domainHeads: Weights
  readonly models: readonly ModelFile[]
  readonly scoreHeads?: Weights
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

/** The size of a profile's file is never above this. */
export const mostBytes = 32 * 1024

/** What does not change with the weights: names, numbers and the words of the format. */
const fixedBytes = 1600
const bytesPerModel = { gains: 75, costs: 65 } as const

/** How many vectors of a rank fit into a file beside the heads and tables of so many domains and models. */
export function bucketsThatFit(
  rank: number,
  domains: readonly string[],
  { models, scoreHeads, costs }: { models: readonly string[]; scoreHeads: boolean; costs: boolean },
): number {
  const names = [...domains, ...models].reduce((sum, name) => sum + Buffer.byteLength(JSON.stringify(name)) + 1, 0)
  const heads = (domains.length + (scoreHeads ? models.length : 0)) * codeWidth(rank)
  const tables = models.length * tableWidth(domains.length) * (costs ? 2 : 1)
  const perModel = bytesPerModel.gains + (costs ? bytesPerModel.costs : 0)
  const left = mostBytes - fixedBytes - names - perModel * models.length - (4 / 3) * (heads + tables)
  return Math.min(4096, Math.floor((left * 3) / 4 / rank))
}

/** A learned model as it is kept. */
export function fileOf(learned: LearnedModel, rest: Pick<ProfileFile, 'enabled' | 'complexity'>): ProfileFile {
  const { encoder, scoreHeads } = learned
  return {
    format: 'signalbox-profile',
    version: 1,
    enabled: rest.enabled,
    rank: encoder.rank,
    bucketCount: encoder.bucketCount,
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
    ...(scoreHeads.length > 0 && { scoreHeads: pack(scoreHeads) }),
    domainHeads: pack(learned.domainHeads),
    vectors: pack(encoder.vectors),
  }
}

/** What a file holds. @throws TypeError when it is no profile, saying where and what came instead. */
export function learnedOf(file: ProfileFile): LearnedModel {
  if (file?.format !== 'signalbox-profile' || file.version !== 1)
    throw new TypeError(`a profile: expected the format "signalbox-profile", version 1, got ${brief(file)}`)
  const { rank, bucketCount, domains, models, headShare } = file
  const width = codeWidth(rank)
  const scale = { mean: dense(file, 'mean'), deviation: dense(file, 'deviation') }
  return {
    encoder: { rank, bucketCount, scale, vectors: unpack(file.vectors, bucketCount * rank, 'vectors') },
    domains,
    domainHeads: unpack(file.domainHeads, domains.length * width, 'domainHeads'),
    models: models.map((model, at) => tableOf(model, tableWidth(domains.length), `models[${at}]`)),
    scoreHeads: file.scoreHeads ? unpack(file.scoreHeads, models.length * width, 'scoreHeads') : new Float32Array(0),
    headShare: file.scoreHeads ? headShare : 0,
  }
}

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
  if (given?.[field]?.length !== denseCount)
    throw new TypeError(`a profile, dense.${field}: expected ${denseCount} numbers, got ${brief(given?.[field])}`)
  return Float32Array.from(given[field])
}

function pack(weights: Float32Array): Weights {
  let most = 0
  for (const weight of weights) most = Math.max(most, Math.abs(weight))
  const scale = most > 0 ? rounded(most / 127) : 1
  const integers = Int8Array.from(weights, (weight) => Math.max(-127, Math.min(127, Math.round(weight / scale))))
  return [scale, Buffer.from(integers.buffer).toString('base64')]
}

function unpack([scale, data]: Weights, length: number, where: string): Float32Array {
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length !== length)
    throw new TypeError(`a profile, ${where}: expected ${length} weights, got ${bytes.length}`)
  return Float32Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length), (integer) => integer * scale)
}

/** Six digits are more than an 8-bit weight has. */
const rounded = (value: number) => Number(value.toPrecision(6))

const brief = (value: unknown) => (JSON.stringify(value) ?? String(value)).slice(0, 80)
