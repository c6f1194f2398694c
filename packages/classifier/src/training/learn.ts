import { denseCount } from '../features/dense.ts'
import { featuresOf } from '../features/features.ts'
import { denseScaleOf, encodeFeatures, softmax } from '../model/encoder.ts'
import { NormalEquations } from '../model/linear-algebra.ts'
import { type LearnedModel, type ModelTable, type Reading, tableRow } from '../model/model.ts'
import { trainEncoder } from '../model/train-encoder.ts'
import type { Sample } from './rows.ts'

/** How a model is learned. */
export interface LearnSettings {
  /** What stands in for own labels where there are few: its encoder and domains. */
  readonly prior: LearnedModel | undefined
  readonly bucketCount: number
  readonly rank: number
  /** Whether scores shape the encoder as well, and not the domains alone. */
  readonly scoreHeads: boolean
  readonly onProgress?: ((done: number) => void) | undefined
}

/** Below so many prompts the encoder of the prior is taken as it is. */
const fewPrompts = 1500

/** A domain's entry in a table counts as if so many prompts had said that it makes no difference. */
const domainPenalty = 20
const densePenalty = 1000
/** The share that the score heads reach with very many prompts. */
const mostHeadShare = 0.3
const halfHeadShareAt = 1500

/** Learns from all samples: an encoder with domains, then a table for each model, shrunk towards its mean. */
export function learn(samples: readonly Sample[], settings: LearnSettings): LearnedModel {
  const { prior } = settings
  const models = [...new Set(samples.flatMap(({ results }) => [...results.keys()]))]
  const encoded =
    prior && samples.length < fewPrompts ? { ...prior, ...noHeads } : encoderFor(samples, models, settings)
  const { encoder, domainHeads, domains } = encoded
  const readings = samples.map(({ prompt }): Reading => {
    const code = encodeFeatures(encoder, featuresOf(prompt, encoder.bucketCount))
    return { code, chances: softmax(domainHeads, domains.length, code) }
  })
  const rows = readings.map(tableRow)
  settings.onProgress?.(0.9)
  return { ...encoded, models: models.map((name) => tableOf(name, samples, rows)) }
}

const noHeads = { scoreHeads: new Float32Array(0), headShare: 0 }

function encoderFor(
  samples: readonly Sample[],
  models: readonly string[],
  { prior, bucketCount, rank, scoreHeads, onProgress }: LearnSettings,
): Omit<LearnedModel, 'models'> {
  const features = samples.map(({ prompt }) => featuresOf(prompt, bucketCount))
  const names = samples.map((sample) => sample.domain ?? (prior ? likeliest(prior, sample) : undefined))
  const domains = [...new Set(names.filter((name) => name !== undefined))].toSorted()
  if (domains.length === 0) domains.push('any')
  const indices = new Map(domains.map((name, at) => [name, at]))
  const trained = trainEncoder(
    {
      features,
      scale: denseScaleOf(features),
      bucketCount,
      rank,
      domains: Int32Array.from(names, (name) => (name === undefined ? -1 : indices.get(name)!)),
      domainCount: domains.length,
      scores: scoreHeads
        ? models.map((name) => Float32Array.from(samples, ({ results }) => results.get(name)?.score ?? NaN))
        : [],
    },
    (epoch, of) => onProgress?.((0.8 * epoch) / of),
  )
  const headShare = scoreHeads ? (mostHeadShare * samples.length) / (samples.length + halfHeadShareAt) : 0
  return { ...trained, domains, headShare }
}

function likeliest({ encoder, domainHeads, domains }: LearnedModel, { prompt }: Sample): string {
  const chances = softmax(domainHeads, domains.length, encodeFeatures(encoder, featuresOf(prompt, encoder.bucketCount)))
  return domains[chances.indexOf(Math.max(...chances))]!
}

function tableOf(name: string, samples: readonly Sample[], rows: readonly Float64Array[]): ModelTable {
  const width = rows[0]!.length
  const known = samples.flatMap(({ results }, at) => {
    const result = results.get(name)
    return result ? [{ result, row: rows[at]! }] : []
  })
  const meanScore = mean(known.map(({ result }) => result.score))
  const priced = known.filter(({ result }) => result.cost !== undefined)
  const meanCostUsd = priced.length > 0 ? mean(priced.map(({ result }) => result.cost!)) : undefined
  return {
    name,
    meanScore,
    meanCostUsd,
    gains: ridge(
      width,
      known.map(({ result, row }) => [row, result.score - meanScore]),
    ),
    costs: meanCostUsd
      ? ridge(
          width,
          priced.map(({ result, row }) => [row, result.cost! / meanCostUsd - 1]),
        )
      : new Float32Array(width),
  }
}

function ridge(width: number, rows: readonly (readonly [Float64Array, number])[]): Float32Array {
  const equations = new NormalEquations(width)
  for (const [row, target] of rows) equations.add(row, target)
  const domainCount = width - denseCount
  const penalties = Float64Array.from({ length: width }, (_, at) => (at < domainCount ? domainPenalty : densePenalty))
  return Float32Array.from(equations.solve(penalties))
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
