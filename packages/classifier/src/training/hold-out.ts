import type { Expected } from '../metrics/pool.ts'
import type { Outcomes } from '../metrics/outcomes.ts'
import { type LearnedModel, costUsdOf, qualityOf, read } from '../model/model.ts'
import { hashOf } from '../features/hash.ts'
import type { Sample } from './rows.ts'

/** Prompts that a profile did not train on: what came of them, and what it expected. */
export interface HeldOut {
  readonly outcomes: Outcomes
  readonly expected: Expected
}

/** From so many prompts on, a fifth of them is enough to judge by; below, each fifth is held out in turn. */
const manyPrompts = 3000
const folds = 5

/** Trains without some of the prompts and asks the result about them, so that no prompt is judged by its own labels. */
export function holdOut(
  samples: readonly Sample[],
  models: readonly string[],
  train: (samples: readonly Sample[]) => LearnedModel,
): HeldOut {
  const complete = (sample: Sample) => models.every((model) => sample.results.has(model))
  const foldOf = ({ prompt }: Sample) => (hashOf(prompt.text.toLowerCase()) >>> 8) % folds
  const rounds = samples.length < manyPrompts ? folds : 1
  const held: HeldOut = { outcomes: { models, scores: [], costs: [] }, expected: { qualities: [], costs: [] } }
  for (let round = 0; round < rounds; round++) {
    const judged = samples.filter((sample) => foldOf(sample) === round && complete(sample))
    const rest = samples.filter((sample) => foldOf(sample) !== round)
    if (judged.length > 0 && rest.length > 0) judge(train(rest), judged, held)
  }
  return held
}

/** Adds what a model expects of samples, and what came of them. */
function judge(learned: LearnedModel, samples: readonly Sample[], { outcomes, expected }: HeldOut): void {
  const { models } = outcomes
  const places = models.map((name) => learned.models.findIndex((model) => model.name === name))
  const standIn = standInCosts(learned, models)
  for (const { prompt, results } of samples) {
    const reading = read(learned, prompt)
    const own = models.map((model) => results.get(model)!)
    push(
      outcomes.scores,
      own.map(({ score }) => score),
    )
    push(
      outcomes.costs,
      own.map(({ cost }, at) => standIn?.[at] ?? cost ?? costUsdOf(learned, places[at]!, reading)!),
    )
    push(
      expected.qualities,
      places.map((place) => qualityOf(learned, place, reading)),
    )
    push(
      expected.costs,
      places.map((place, at) => standIn?.[at] ?? costUsdOf(learned, place, reading)!),
    )
  }
}

const push = (rows: readonly Float64Array[], row: readonly number[]) =>
  void (rows as Float64Array[]).push(Float64Array.from(row))

/** Where the cost of some model is not known, a better model counts as dearer: 0 for the worst, then 1, 2 and so on. */
function standInCosts({ models }: LearnedModel, names: readonly string[]): number[] | undefined {
  const tables = names.map((name) => models.find((model) => model.name === name)!)
  if (tables.every(({ meanCostUsd }) => meanCostUsd !== undefined && meanCostUsd > 0)) return undefined
  const byScore = tables.toSorted((a, b) => a.meanScore - b.meanScore)
  return tables.map((table) => byScore.indexOf(table))
}
