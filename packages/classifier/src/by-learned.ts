import { type Call, type CandidateView, type Strategy, likelyCostNanoUsd } from '@signalbox/core'
import { type Judged, checkTarget } from './calibrate.ts'
import { createCalibration } from './calibration.ts'
import { checkKeys, fault, shown } from './fault.ts'
import { promptOfCall } from './plugin.ts'
import type { Prompt } from './features/features.ts'
import type { CalibrationTarget, CandidateOptions, Profile, RankedCandidate } from './types.ts'

/** How models are chosen by a profile. */
export interface LearnedStrategyOptions {
  readonly profile: Profile
  /** The quality that a US dollar must buy. With a target it is where the search begins. @default 0 */
  readonly lambda?: number
  /** What is to be reached: lambda is then found from the last calls of the route, and found again as they change. */
  readonly target?: CalibrationTarget
  /** Prompts that stand for the traffic until there are calls. @default none: `lambda` holds for the first ones */
  readonly prompts?: readonly string[]
  /**
   * For each model of the router the one of the profile that it is most like, and what a call to it costs. A model that is
   * not here goes by its own name or its provider's, and costs what its price says.
   */
  readonly candidates?: Readonly<Record<string, Omit<CandidateOptions, 'model'>>>
}

/** The strategy in errors. */
export const strategyName = 'strategy "learned"'

/** What a decision goes by. */
interface Assessed {
  readonly lambda: number
  readonly models: Readonly<Record<string, Omit<RankedCandidate, 'model' | 'score'>>>
}

/**
 * A strategy that takes the model with the highest expected quality less lambda times expected cost. Models that the
 * profile does not know stand behind those that it knows, and where cost counts those behind the others whose cost nobody
 * knows; of two that are worth the same the cheaper one is first.
 *
 * @throws SignalboxError `invalid_config` for options that are none, and when the profile is not enabled: it was not shown to
 * be above the zero router.
 * @example
 * routes: { auto: { models: ['gpt-4.1', 'gpt-4.1-mini'], strategy: byLearned({ profile, target: { targetShare: 0.2 } }) } }
 */
export function byLearned(options: LearnedStrategyOptions): Strategy {
  const { profile, lambda = 0, candidates = {}, target, prompts = [] } = options
  checkKeys(options, ['profile', 'lambda', 'target', 'prompts', 'candidates'], strategyName)
  checkProfile(profile)
  if (!(Number.isFinite(lambda) && lambda >= 0))
    throw fault(strategyName, `lambda: expected a number from 0, got ${shown(lambda)}`)
  if (target) checkTargetOption(target)
  checkCandidates(candidates, profile)
  const countsCost = target !== undefined || lambda > 0
  const calibration = createCalibration(lambda, target)
  let saidUnknown = false

  function candidateOf(view: CandidateView, call: Costed): CandidateOptions {
    const { name, model } = view
    const nanoUsd = candidates[name]?.costUsd === undefined ? likelyCostNanoUsd(call, view) : undefined
    return {
      model: name,
      ...(!profile.models.includes(name) && profile.models.includes(model) && { like: model }),
      ...(nanoUsd !== undefined && { costUsd: nanoUsd / 1e9 }),
      ...candidates[name],
    }
  }

  function judge(prompt: Prompt, judged: readonly CandidateOptions[]): Assessed['models'] {
    const found = profile.rank(prompt, judged)
    return Object.fromEntries(found.map(({ model, score: _score, ...rest }) => [model, rest]))
  }

  /** Prompts stand for calls once the candidates are known: from the first call on that has a choice. */
  function begin(views: readonly CandidateView[]): void {
    if (calibration.hasBegun || views.length < 2) return
    const judged = prompts.map((text) =>
      judge(
        text,
        views.map((view) => candidateOf(view, callOf(text))),
      ),
    )
    calibration.begin(judged.map(comparableOf))
  }

  function assess(call: Call, views: readonly CandidateView[]): Assessed {
    begin(views)
    const judged = views.map((view) => candidateOf(view, call))
    const models = judge(promptOfCall(call), judged)
    if (!saidUnknown && views.length > 0 && knownOf(models).length === 0) {
      saidUnknown = true
      const names = views.map(({ name }) => `"${name}"`).join(', ')
      call.log?.warn(
        { route: call.route },
        `the profile knows none of ${names}: say what each is \`like\` in \`candidates\``,
      )
    }
    return { lambda: calibration.lambda, models }
  }

  return {
    name: 'learned',
    assess,
    rank(call, views, { assessment = assess(call, views) }) {
      const { lambda: worth, models } = assessment as Assessed
      return views
        .flatMap(({ name }) => {
          const judged = models[name]
          return judged ? [{ name, ...judged, score: judged.quality - worth * judged.costUsd }] : []
        })
        .toSorted(
          (a, b) =>
            Number(b.known) - Number(a.known) ||
            (countsCost && Number(a.unpriced ?? false) - Number(b.unpriced ?? false)) ||
            b.score - a.score ||
            a.costUsd - b.costUsd,
        )
        .map(({ name, score, known, quality, costUsd, unpriced }, _place, [best]) => ({
          name,
          score,
          ...((!known || quality < best!.quality) && { weaker: true as const }),
          reason: known
            ? `expected quality ${quality.toFixed(3)} at ${unpriced ? 'an unknown price' : `${costUsd.toPrecision(2)} USD`}, lambda ${rounded(worth)}`
            : 'the profile does not know it',
        }))
    },
    observe(outcome) {
      if (outcome.type !== 'taken' || outcome.assessment === undefined) return
      calibration.learn(comparableOf((outcome.assessment as Assessed).models))
    },
  }
}

/** What the cost of a call is reckoned from. */
type Costed = Parameters<typeof likelyCostNanoUsd>[0]

/** A prompt as a call that is nothing but it. */
const callOf = (text: string): Costed => ({
  labels: {},
  request: {
    messages: [{ role: 'user', text }],
    tools: [],
    parameters: { stream: false },
    media: { parts: [], bytes: 0 },
  },
})

const knownOf = (models: Assessed['models']) => Object.values(models).filter(({ known }) => known)

const comparableOf = (models: Assessed['models']): readonly Judged[] =>
  knownOf(models).filter(({ unpriced }) => !unpriced)

const rounded = (lambda: number) => String(Number(lambda.toPrecision(4)))

function checkTargetOption(target: CalibrationTarget): void {
  try {
    checkTarget(target)
  } catch (error) {
    throw fault(strategyName, (error as Error).message)
  }
}

/** A name that the profile does not know would stand behind all others, whatever it is. */
function checkCandidates(candidates: NonNullable<LearnedStrategyOptions['candidates']>, { models }: Profile): void {
  for (const [name, candidate] of Object.entries(candidates)) {
    checkKeys(candidate, ['like', 'costUsd'], `${strategyName}, candidates.${name}`)
    const { like, costUsd } = candidate
    if (costUsd !== undefined && !(typeof costUsd === 'number' && costUsd >= 0))
      throw fault(strategyName, `candidates.${name}.costUsd: expected US dollars, got ${shown(costUsd)}`)
    if (like === undefined || models.includes(like)) continue
    const expected = `expected a model of the profile (${models.join(', ')})`
    throw fault(strategyName, `candidates.${name}.like: ${expected}, got ${shown(like)}`)
  }
}

/** In a program without types a profile may be anything: what a file holds above all. */
function checkProfile(profile: Partial<Profile> | undefined): void {
  if (typeof profile?.rank !== 'function')
    throw fault(strategyName, `profile: expected a profile, as parseProfile makes it, got ${shown(profile)}`)
  if (!profile.enabled)
    throw fault(strategyName, 'profile: expected an enabled profile, got one that was not above the zero router')
}
