import type { Prompt } from './features/features.ts'
import type { Complexity, ProfileFile } from './profile-file.ts'

/** A model to choose from: its name, or more than its name. */
export type Candidate = string | CandidateOptions

/** A model to choose from. */
export interface CandidateOptions {
  readonly model: string
  /** The model of the profile that it is most like, where the profile does not know it itself. */
  readonly like?: string
  /** What one call costs, in US dollars. @default what calls cost in training */
  readonly costUsd?: number
}

/** A candidate with its place. */
export interface RankedCandidate {
  readonly model: string
  /** What it was ranked by: quality less lambda times cost. */
  readonly score: number
  /** The score from 0 to 1 that is expected of its answer. */
  readonly quality: number
  /** What the call is expected to cost, in US dollars; 0 where nothing is known. */
  readonly costUsd: number
  /** Whether the profile was trained on it, or on the one that it is like. An unknown one counts as an average model. */
  readonly known: boolean
  /** Neither the candidate says what a call costs, nor the profile. */
  readonly unpriced?: true
}

/** How a profile ranks. */
export interface RankOptions {
  /** The quality that a US dollar must buy: 0 takes the best model whatever it costs. @default 0 */
  readonly lambda?: number
}

/** What a prompt is. */
export interface PromptLabels {
  /** What it is about: one of the profile's domains. */
  readonly domain: string
  /** How likely that domain is, from 0 to 1. */
  readonly confidence: number
  readonly complexity: 'simple' | 'moderate' | 'complex'
  /** From 0 to 1: how often models fail at such prompts, and more for long ones. */
  readonly difficulty: number
}

/** What was learned from results: ranks models for a prompt. Makes no call, keeps no prompt, never changes. */
export interface Profile {
  /** The models that it was trained on. */
  readonly models: readonly string[]
  readonly domains: readonly string[]
  /** Whether it was above the zero router on prompts that it did not train on. */
  readonly enabled: boolean
  /** The candidates, the best first. */
  rank(prompt: Prompt, candidates: readonly Candidate[], options?: RankOptions): RankedCandidate[]
  /** The domain and the complexity of a prompt. */
  label(prompt: Prompt, complexity?: Complexity): PromptLabels
  /**
   * The lambda that meets a target on recent prompts.
   *
   * @throws TypeError for no prompts, no candidates, a candidate whose cost nobody knows, and a target that is none
   */
  calibrate(prompts: readonly Prompt[], candidates: readonly Candidate[], target: CalibrationTarget): Calibrated
  /** The bounds of complexity that put these shares of recent prompts above them. */
  calibrateComplexity(prompts: readonly Prompt[], shares: Complexity): Complexity
  toJSON(): ProfileFile
}

/** What a lambda is to reach on recent prompts: one of these. */
export type CalibrationTarget =
  /** The share of calls, from 0 to 1, that may go to the dearest candidate. */
  | { readonly targetShare: number }
  /** The mean quality, from 0 to 1, that must be expected; the cheapest way to it is taken. */
  | { readonly minQuality: number }
  /** The mean cost of a call, in US dollars, that must not be passed. */
  | { readonly maxCostUsd: number }

/** A lambda, and what is expected of it on the prompts that it was made for. */
export interface Calibrated {
  readonly lambda: number
  /** The share of calls that goes to the dearest candidate. */
  readonly share: number
  readonly quality: number
  /** The mean cost of a call, in US dollars. */
  readonly costUsd: number
  /** Whether the target is met. Not every target can be. */
  readonly reached: boolean
}
