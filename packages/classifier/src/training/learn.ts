import { denseCount } from '../features/dense.ts'
import { type PromptParts, featuresOf } from '../features/features.ts'
import { denseScaleOf } from '../model/encoder.ts'
import { NormalEquations } from '../model/linear-algebra.ts'
import {
  type LearnedModel,
  type ModelTable,
  type Reader,
  gainOfLength,
  read,
  readFeatures,
  tableRow,
} from '../model/model.ts'
import { noScoreHeads } from '../model/score-heads.ts'
import { trainEncoder } from '../model/train-encoder.ts'
import { trainScoreHeads } from '../model/train-score-heads.ts'
import { type Sizes, sizesThatFit } from '../profile-file.ts'
import type { Sample } from './rows.ts'

/** How a model is learned. */
export interface LearnSettings {
  /** What stands in for own labels where there are few: its encoder and domains. */
  readonly prior: LearnedModel | undefined
  /** How many models are there to choose from. */
  readonly rivals: number
  readonly onProgress?: ((done: number) => void) | undefined
}

/** Below so many prompts the encoder of the prior is taken as it is, and with as many what holds of models in general counts half. */
const fewPrompts = 1500

/**
 * A domain's entry in a table counts as if so many prompts had said that it makes no difference; with more than two
 * models more, because the more there are, the more luck decides which of them looks best.
 */
const domainPenalty = 20
const densePenalty = 1000
/** The score heads come to half of their share with so many prompts: of two models the half of a quality, of more less. */
const halfHeadShareAt = 150
const rank = 16

/** Learns from all samples: an encoder with domains, then for each model a table, shrunk towards what holds of models in general, and a head. */
export function learn(samples: readonly Sample[], { prior, rivals, onProgress }: LearnSettings): LearnedModel {
  const models = [...new Set(samples.flatMap(({ results }) => [...results.keys()]))]
  const costs = samples.some(({ results }) => [...results.values()].some(({ cost }) => cost !== undefined))
  const scores = models.map((name) => Float32Array.from(samples, ({ results }) => results.get(name)?.score ?? NaN))
  const reader =
    prior && samples.length < fewPrompts
      ? readerOf(prior, sizesThatFit({ ...prior.encoder, ...prior, models, costs }))
      : trainReader(samples, { prior, models, costs, scores, onProgress })
  const readings = samples.map(({ prompt }) => readFeatures(reader, featuresOf(prompt, reader.encoder.bucketCount)))
  onProgress?.(0.8)
  const rows = readings.map(tableRow)
  const shrinkage = Math.log2(Math.max(2, rivals))
  const meanScores = scores.map((known) => mean(Array.from(known).filter((score) => !Number.isNaN(score))))
  const few = fewPrompts / (fewPrompts + samples.length)
  const centres = meanScores.map((each) => generalGains(few * (each - mean(meanScores)), rows[0]!.length))
  const { hasHeads, ...parts } = reader
  return {
    ...parts,
    models: models.map((name, at) =>
      tableOf({ name, meanScore: meanScores[at]!, centre: centres[at]!, shrinkage }, samples, rows),
    ),
    scoreHeads: hasHeads ? trainScoreHeads(readings, scores) : noScoreHeads,
    headShare: hasHeads ? samples.length / (samples.length + halfHeadShareAt) / (1 + shrinkage) : 0,
  }
}

/** A reader, and whether there is room for score heads beside it. */
type SizedReader = Reader & Pick<Sizes, 'hasHeads'>

/** The reader of the prior, with as many buckets as there is room for. */
const readerOf = ({ encoder, domains, domainHeads }: Reader, { bucketCount, hasHeads }: Sizes): SizedReader => ({
  encoder: { ...encoder, bucketCount },
  domains,
  domainHeads,
  hasHeads,
})

interface ReaderTask extends Pick<LearnSettings, 'prior' | 'onProgress'> {
  readonly models: readonly string[]
  readonly costs: boolean
  readonly scores: readonly Float32Array[]
}

function trainReader(
  samples: readonly Sample[],
  { prior, models, costs, scores, onProgress }: ReaderTask,
): SizedReader {
  const names = samples.map(({ domain, prompt }) => domain ?? (prior ? likeliest(prior, prompt) : undefined))
  const domains = [...new Set(names.filter((name) => name !== undefined))].toSorted()
  if (domains.length === 0) domains.push('any')
  const indices = new Map(domains.map((name, at) => [name, at]))
  const { hasHeads, ...sizes } = sizesThatFit({ rank, domains, models, costs })
  const features = samples.map(({ prompt }) => featuresOf(prompt, sizes.bucketCount))
  const trained = trainEncoder(
    {
      ...sizes,
      features,
      scale: denseScaleOf(features),
      rank,
      domains: Int32Array.from(names, (name) => (name === undefined ? -1 : indices.get(name)!)),
      domainCount: domains.length,
      scores: hasHeads ? scores : [],
    },
    (epoch, of) => onProgress?.((0.7 * epoch) / of),
  )
  return { ...trained, domains, hasHeads }
}

function likeliest(prior: LearnedModel, prompt: PromptParts): string {
  const { chances } = read(prior, prompt)
  return prior.domains[chances.indexOf(Math.max(...chances))]!
}

/** What stands in a model's table before anything is learned: what holds of models in general. */
function generalGains(aboveMean: number, width: number): Float64Array {
  const gains = new Float64Array(width)
  gains[width - denseCount] = gainOfLength * aboveMean
  return gains
}

/** A model, what its gains are drawn towards, and how many times the penalties of two models its table takes. */
interface Shrunk {
  readonly name: string
  readonly meanScore: number
  readonly centre: Float64Array
  readonly shrinkage: number
}

function tableOf(
  { name, meanScore, centre, shrinkage }: Shrunk,
  samples: readonly Sample[],
  rows: readonly Float64Array[],
): ModelTable {
  const known = samples.flatMap(({ results }, at) => {
    const result = results.get(name)
    return result ? [{ result, row: rows[at]! }] : []
  })
  const priced = known.filter(({ result }) => result.cost !== undefined)
  const meanCostUsd = priced.length > 0 ? mean(priced.map(({ result }) => result.cost!)) : undefined
  return {
    name,
    meanScore,
    meanCostUsd,
    gains: ridge(
      { centre, shrinkage },
      known.map(({ result, row }) => [row, result.score - meanScore]),
    ),
    costs: meanCostUsd
      ? ridge(
          { centre: new Float64Array(centre.length), shrinkage },
          priced.map(({ result, row }) => [row, result.cost! / meanCostUsd - 1]),
        )
      : new Float32Array(centre.length),
  }
}

/** Least squares, drawn towards a centre. */
function ridge(
  { centre, shrinkage }: Pick<Shrunk, 'centre' | 'shrinkage'>,
  rows: readonly (readonly [Float64Array, number])[],
): Float32Array {
  const width = centre.length
  const equations = new NormalEquations(width)
  for (const [row, target] of rows) {
    const general = row.reduce((sum, value, at) => sum + value * centre[at]!, 0)
    equations.add(row, target - general)
  }
  const domainCount = width - denseCount
  const penalties = Float64Array.from(
    { length: width },
    (_, at) => shrinkage * (at < domainCount ? domainPenalty : densePenalty),
  )
  return Float32Array.from(equations.solve(penalties), (own, at) => own + centre[at]!)
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
