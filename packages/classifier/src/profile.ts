import { calibrateLambda } from './calibrate.ts'
import { type LearnedModel, type Reading, costUsdOf, gainOfLength, lengthOf, qualityOf, read } from './model/model.ts'
import { type Complexity, type ProfileFile, learnedOf } from './profile-file.ts'
import type { Candidate, Profile, RankedCandidate } from './types.ts'

/**
 * Reads a profile from what {@link Profile.toJSON} or `signalbox train` has written.
 *
 * @throws TypeError when it is none, saying where and what came instead.
 * @example
 * const profile = parseProfile(JSON.parse(await readFile('profile.json', 'utf8')))
 * profile.rank('Prove that there is no largest prime.', ['gpt-4o', 'gpt-4o-mini'], { lambda: 20 })
 */
export function parseProfile(file: ProfileFile): Profile {
  const learned = learnedOf(file)
  const places = new Map(learned.models.map(({ name }, at) => [name, at]))
  const profile: Profile = {
    models: learned.models.map(({ name }) => name),
    domains: learned.domains,
    enabled: file.enabled,
    rank(prompt, candidates, { lambda = 0 } = {}) {
      const reading = read(learned, prompt)
      return candidates
        .map((candidate) => judge(learned, places, { candidate, reading, lambda }))
        .toSorted((a, b) => b.score - a.score)
    },
    label(prompt, complexity = file.complexity) {
      const reading = read(learned, prompt)
      const place = likeliest(reading.chances)
      const difficulty = difficultyOf(learned, reading)
      return {
        domain: learned.domains[place]!,
        confidence: reading.chances[place]!,
        complexity: levelOf(difficulty, complexity),
        difficulty,
      }
    },
    calibrate: (prompts, candidates, target) => calibrateLambda(profile, { prompts, candidates, target }),
    calibrateComplexity(prompts, shares) {
      const found = prompts.map((prompt) => difficultyOf(learned, read(learned, prompt))).toSorted((a, b) => a - b)
      return { moderate: quantile(found, 1 - shares.moderate), complex: quantile(found, 1 - shares.complex) }
    },
    toJSON: () => file,
  }
  return profile
}

/** The learned model inside a profile, for training that goes on from it. */
export const learnedModelOf = (profile: Profile): LearnedModel => learnedOf(profile.toJSON())

/** What one deviation of length adds to the difficulty: what was trained on are exams, and work is longer than those. */
const difficultyOfLength = 0.1

/** How hard a prompt is, from 0 to 1: how often models fail at such ones, and more where it is long. */
export function difficultyOf(learned: LearnedModel, reading: Reading): number {
  const failures = 1 - meanQualityOf(learned, reading)
  return Math.max(0, Math.min(1, failures + difficultyOfLength * lengthOf(reading)))
}

function meanQualityOf(learned: LearnedModel, reading: Reading): number {
  let sum = 0
  for (let at = 0; at < learned.models.length; at++) sum += qualityOf(learned, at, reading)
  return sum / learned.models.length
}

/** The value that a share of sorted values lies at or below. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) throw new TypeError('prompts: expected at least one, got none')
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1))]!
}

interface Judgement {
  readonly candidate: Candidate
  readonly reading: Reading
  readonly lambda: number
}

function judge(
  learned: LearnedModel,
  places: ReadonlyMap<string, number>,
  { candidate, reading, lambda }: Judgement,
): RankedCandidate {
  const { model, like, costUsd: given } = typeof candidate === 'string' ? { model: candidate } : candidate
  const own = places.get(model)
  const place = own ?? (like === undefined ? undefined : places.get(like))
  const told = given ?? (place === undefined ? undefined : costUsdOf(learned, place, reading))
  const costUsd = told ?? 0
  const quality =
    place === undefined
      ? meanQualityOf(learned, reading)
      : qualityOf(learned, place, reading) + (own === undefined ? likeness(learned, place, reading) : 0)
  return {
    model,
    score: quality - lambda * costUsd,
    quality,
    costUsd,
    known: place !== undefined,
    ...(told === undefined && { unpriced: true }),
  }
}

/** What is added for a model that is known only by another: a better one gains on longer prompts. */
function likeness(learned: LearnedModel, place: number, reading: Reading): number {
  const { models } = learned
  const mean = models.reduce((sum, { meanScore }) => sum + meanScore, 0) / models.length
  return gainOfLength * (models[place]!.meanScore - mean) * lengthOf(reading)
}

const levelOf = (difficulty: number, { moderate, complex }: Complexity) =>
  difficulty > complex ? 'complex' : difficulty > moderate ? 'moderate' : 'simple'

function likeliest(chances: Float64Array): number {
  let best = 0
  for (let at = 1; at < chances.length; at++) if (chances[at]! > chances[best]!) best = at
  return best
}
