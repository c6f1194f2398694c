import {
  type Call,
  type CandidateView,
  type Labels,
  type LiftOptions,
  type Plugin,
  type Ranked,
  SignalboxError,
  type Strategy,
  classifier,
} from '@signalbox/core'
import type { PromptParts } from './features/features.ts'
import type { Complexity } from './profile-file.ts'
import { shippedProfile } from './shipped.ts'
import { expectedLengthOf, taskOf } from './task.ts'
import type { Candidate, Profile } from './types.ts'

/** How calls are labelled. */
export interface LearnedClassifierOptions extends LiftOptions {
  /** @default the profile that ships */
  readonly profile?: Profile
  /** The bounds of complexity: `profile.calibrateComplexity` makes them from recent traffic. @default the profile's */
  readonly complexity?: Complexity
  /** Labels of your own, from those that were found. */
  readonly also?: (labels: Labels, call: Call) => Labels
}

/**
 * A plugin that labels calls by what they ask: `domain`, `complexity` (`simple`, `moderate`, `complex`), `task` (`code`,
 * `maths`, `analysis`, `summarise`, `translate`, `write`, `extract`, `chat`) and `expectedLength` (`short`, `medium`,
 * `long`). Reads the last message of the user. Takes microseconds, never fails, and makes no call.
 *
 * @example
 * createRouter({ models, routes, plugins: [learnedClassifier()] })
 */
export function learnedClassifier(options: LearnedClassifierOptions = {}): Plugin {
  const { profile = shippedProfile(), complexity, also, ...lift } = options
  return classifier(
    'learned',
    (call) => {
      const prompt = promptOfCall(call)
      const found = profile.label(prompt, complexity)
      const labels = {
        domain: found.domain,
        complexity: found.complexity,
        task: taskOf(prompt.text),
        expectedLength: expectedLengthOf(prompt.text, call.request.parameters.maxOutputTokens),
      }
      return also ? { ...labels, ...also(labels, call) } : labels
    },
    lift,
  )
}

/** How models are chosen by a profile. */
export interface LearnedStrategyOptions {
  readonly profile: Profile
  /** The quality that a US dollar must buy; `profile.calibrate` finds it for a target. @default 0 */
  readonly lambda?: number
  /** For each model of the router, its name in the profile, or more. A model that is not here goes by its own name. */
  readonly candidates?: Readonly<Record<string, Omit<Exclude<Candidate, string>, 'model'>>>
}

/**
 * A strategy that takes the model with the highest expected quality less lambda times expected cost. Models that the
 * profile does not know stand behind those that it knows.
 *
 * @throws SignalboxError `invalid_config` when the profile is not enabled: it was not shown to be above the zero router.
 * @example
 * routes: { auto: { models: ['gpt-4.1', 'gpt-4.1-mini'], strategy: byLearned({ profile, lambda: 20 }) } }
 */
export function byLearned({ profile, lambda = 0, candidates = {} }: LearnedStrategyOptions): Strategy {
  if (!profile.enabled) {
    throw new SignalboxError(
      'invalid_config',
      'The configuration has a fault:\n  byLearned, profile: expected an enabled profile, got one that was not above the zero router',
    )
  }
  const candidateOf = ({ name, model }: CandidateView): Candidate => ({
    model: name,
    ...(!profile.models.includes(name) && profile.models.includes(model) && { like: model }),
    ...candidates[name],
  })
  return {
    name: 'learned',
    rank(call, views): Ranked[] {
      const ranked = profile.rank(promptOfCall(call), views.map(candidateOf), { lambda })
      return ranked
        .toSorted((a, b) => Number(b.known) - Number(a.known))
        .map(({ model, quality, costUsd, known }) => ({
          name: model,
          reason: known
            ? `expected quality ${quality.toFixed(3)} at ${costUsd.toPrecision(2)} USD, lambda ${lambda}`
            : 'the profile does not know it',
        }))
    },
  }
}

/** What of a call is judged: the last message of its user, with how much stands before it. */
function promptOfCall({ request }: Call): PromptParts {
  const { messages, tools } = request
  const last = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1)
  return { text: last?.text ?? '', tools: tools.length, turns: Math.max(0, messages.length - 1) }
}
