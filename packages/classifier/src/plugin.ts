import {
  type Call,
  type Labels,
  type LiftOptions,
  type Plugin,
  classifier,
  complexityInConversation,
} from '@signalbox/core'
import type { PromptParts } from './features/features.ts'
import type { Complexity } from './profile-file.ts'
import { shippedProfile } from './shipped.ts'
import { expectedLengthOf, taskOf } from './task.ts'
import type { Profile } from './types.ts'

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
 * `long`). Reads the last message of the user, and for `complexity` the ones before it: a conversation that was complex stays
 * so, and a short message that goes on with one is at least moderate. Takes microseconds, never fails, and makes no call.
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
        complexity: complexityInConversation(found.complexity, prompt.text, earlier(call, profile, complexity)),
        task: taskOf(prompt.text),
        expectedLength: expectedLengthOf(prompt.text, call.request.parameters.maxOutputTokens),
      }
      return also ? { ...labels, ...also(labels, call) } : labels
    },
    lift,
  )
}

/** Earlier messages of the user that count. */
const messagesLookedAt = 10

/** How hard the last messages of the user before the present one were, each alone. */
const earlier = ({ request }: Call, profile: Profile, complexity: Complexity | undefined) =>
  request.messages
    .filter(({ role }) => role === 'user')
    .slice(-1 - messagesLookedAt, -1)
    .map(({ text }) => profile.label(text, complexity).complexity)

/** What of a call is judged: the last message of its user, with how much stands before it. */
export function promptOfCall({ request }: Call): PromptParts {
  const { messages, tools } = request
  const last = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1)
  return { text: last?.text ?? '', tools: tools.length, turns: Math.max(0, messages.length - 1) }
}
