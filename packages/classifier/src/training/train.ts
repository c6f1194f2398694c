import { read } from '../model/model.ts'
import type { LearnedModel } from '../model/model.ts'
import { fileOf } from '../profile-file.ts'
import { difficultyOf, learnedModelOf, parseProfile, quantile } from '../profile.ts'
import { shippedProfile } from '../shipped.ts'
import type { Profile } from '../types.ts'
import { holdOut } from './hold-out.ts'
import { learn } from './learn.ts'
import { type TrainingReport, reportOf } from './report.ts'
import { type Row, type Sample, samplesOf } from './rows.ts'

/** How a profile is trained. */
export interface TrainOptions {
  /**
   * What stands in for own labels where there are few: below 1,500 prompts its reading of prompts is used, and where
   * rows say no domain, its domains. `null` for none. @default the profile that ships
   */
  readonly prior?: Profile | null
  /** Whether to hold prompts out and measure. Without it there is no report, and the profile is not enabled. @default true */
  readonly measure?: boolean
  /** Told how much is done, from 0 to 1, and what is being done. */
  readonly onProgress?: (progress: { readonly done: number; readonly step: string }) => void
}

/** A profile that was just trained. */
export interface TrainedProfile extends Profile {
  /** What it came to on prompts that it did not train on; undefined where nothing was measured: there are no two rivals. */
  readonly report: TrainingReport | undefined
}

/** Models with scores on at least this share of the prompts are rivals; others are learned, but not judged. */
const rivalShare = 0.5

/**
 * Trains a profile from results: who scored what on which prompt. Takes seconds for some ten thousand prompts, and comes
 * to the same each time. The profile is `enabled` only if it was above the zero router (the best mix of single models
 * for the same money) on prompts that it did not train on.
 *
 * @throws TypeError when there are no rows, one is wrong, saying which, or they name more than fits into a profile.
 * @example
 * const profile = trainProfile([
 *   { prompt: 'What is 2 + 2?', model: 'gpt-4o-mini', score: 1, cost: 0.00002 },
 *   { prompt: 'What is 2 + 2?', model: 'gpt-4o', score: 1, cost: 0.0003 },
 *   // ... 150 prompts or more
 * ])
 * if (profile.enabled) await writeFile('profile.json', JSON.stringify(profile))
 */
export function trainProfile(rows: Iterable<Row>, options: TrainOptions = {}): TrainedProfile {
  const { measure = true, onProgress } = options
  const samples = samplesOf(rows)
  if (samples.length === 0) throw new TypeError('rows: expected at least one, got none')
  const prior = options.prior === undefined ? shippedProfile() : (options.prior ?? undefined)
  const learnedPrior = prior && learnedModelOf(prior)
  const rivals = rivalsOf(samples)
  const trainOn = (some: readonly Sample[], step: string, from: number, to: number) =>
    learn(some, {
      prior: learnedPrior,
      rivals: rivals.length,
      onProgress: (done) => onProgress?.({ done: from + done * (to - from), step }),
    })
  const isMeasured = measure && rivals.length > 1
  const learned = trainOn(samples, 'training', 0, isMeasured ? 0.4 : 1)
  let rounds = 0
  const held = isMeasured
    ? holdOut(samples, rivals, (some) => trainOn(some, `holding out, round ${++rounds}`, 0.4, 0.9))
    : undefined
  if (isMeasured) onProgress?.({ done: 0.9, step: 'measuring' })
  const report = held && reportOf(held, samples.length)
  onProgress?.({ done: 1, step: 'done' })
  return { ...finish(learned, samples, report?.enabled ?? false), report }
}

/** The profile of what was learned, as it is after a way through its file. */
function finish(learned: LearnedModel, samples: readonly Sample[], enabled: boolean): Profile {
  const found = samples.map(({ prompt }) => difficultyOf(learned, read(learned, prompt))).toSorted((a, b) => a - b)
  // Where nothing is known of the traffic, its hardest fifth is complex and the easiest half simple.
  const complexity = { moderate: quantile(found, 0.5), complex: quantile(found, 0.8) }
  return parseProfile(fileOf(learned, { enabled, complexity }))
}

const modelsOf = (samples: readonly Sample[]) => [...new Set(samples.flatMap(({ results }) => [...results.keys()]))]

const rivalsOf = (samples: readonly Sample[]) =>
  modelsOf(samples).filter(
    (model) => samples.filter(({ results }) => results.has(model)).length >= rivalShare * samples.length,
  )
