import { readFileSync } from 'node:fs'
import { type Plugin, type Strategy, definePlugin } from '@signalbox/core'
import { type LearnedStrategyOptions, byLearned, strategyName } from './by-learned.ts'
import { checkKeys, fault, shown } from './fault.ts'
import { learnedClassifier } from './plugin.ts'
import type { Complexity, ProfileFile } from './profile-file.ts'
import { parseProfile } from './profile.ts'
import { shippedProfile } from './shipped.ts'
import type { CalibrationTarget, Profile } from './types.ts'

/** What a configuration may say to the plugin. */
export interface LearnedOptions {
  /** The file of a profile, as `signalbox train` writes it. @default the profile that ships */
  readonly profile?: string
  /** The bounds of complexity. @default the profile's */
  readonly complexity?: Complexity
}

/** What a configuration may say to the strategy `learned`. Of the last three one at most. */
export interface LearnedStrategyData extends Pick<LearnedStrategyOptions, 'lambda' | 'candidates'> {
  /** The file of a profile. @default the plugin's */
  readonly profile?: string
  /** A file of prompts that stand for the traffic until there are calls: a line each, as JSON with a `prompt` or as text. */
  readonly prompts?: string
  /** The share of calls, from 0 to 1, that may go to the dearest model. */
  readonly targetShare?: number
  /** The mean quality, from 0 to 1, that must be expected. */
  readonly minQuality?: number
  /** The mean cost of a call, in US dollars, that must not be passed. */
  readonly maxCostUsd?: number
}

/**
 * The plugin for a configuration file, and the default export of the package: labels every call as `learnedClassifier`
 * does, and brings the strategy `learned`.
 *
 * @throws SignalboxError `invalid_config` for options that are none, and a profile that cannot be read or is not enabled
 * @example
 * { "plugins": ["@signalbox/classifier"],
 *   "routes": { "auto": { "models": ["large", "small"], "strategy": { "use": "learned", "targetShare": 0.2 } } } }
 */
export function learned(options: LearnedOptions = {}): Plugin {
  checkKeys(options, ['profile', 'complexity'], 'plugin "learned"')
  const { complexity } = options
  const { moderate = NaN, complex = NaN } = Object(complexity) as Partial<Complexity>
  if (complexity !== undefined && !(moderate >= 0 && complex >= moderate))
    throw fault('plugin "learned"', `complexity: expected { moderate, complex } from 0 to 1, got ${shown(complexity)}`)
  const profile = profileAt(options.profile)
  return definePlugin({
    ...learnedClassifier({ profile, ...(complexity && { complexity }) }),
    strategies: { learned: (given) => strategyOf(given as LearnedStrategyData, profile) },
  })
}

const targets = ['targetShare', 'minQuality', 'maxCostUsd'] as const

function strategyOf(data: LearnedStrategyData, usual: Profile): Strategy {
  checkKeys(data, ['profile', 'lambda', 'prompts', 'candidates', ...targets], strategyName)
  const { lambda, prompts, candidates, profile } = data
  const target = targetOf(data)
  return byLearned({
    profile: profile === undefined ? usual : profileAt(profile),
    ...(lambda !== undefined && { lambda }),
    ...(target && { target }),
    ...(prompts !== undefined && { prompts: promptsAt(prompts) }),
    ...(candidates && { candidates }),
  })
}

function targetOf(data: LearnedStrategyData): CalibrationTarget | undefined {
  const given = targets.filter((name) => data[name] !== undefined)
  if (given.length === 0) return undefined
  return Object.fromEntries(given.map((name) => [name, data[name]])) as unknown as CalibrationTarget
}

function profileAt(file: string | undefined): Profile {
  if (file === undefined) return shippedProfile()
  try {
    return parseProfile(JSON.parse(textAt(file)) as ProfileFile)
  } catch (cause) {
    throw fault(strategyName, `profile: ${file} is no profile: ${(cause as Error).message}`, cause)
  }
}

function promptsAt(file: string): string[] {
  try {
    return textAt(file).split('\n').flatMap(promptOfLine)
  } catch (cause) {
    throw fault(strategyName, `prompts: ${file} cannot be read: ${(cause as Error).message}`, cause)
  }
}

function promptOfLine(line: string): string[] {
  if (line.trim() === '') return []
  if (!line.startsWith('{')) return [line]
  const { prompt } = JSON.parse(line) as { prompt?: unknown }
  return typeof prompt === 'string' ? [prompt] : []
}

const textAt = (file: string) => readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
