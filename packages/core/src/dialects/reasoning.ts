import type { Reasoning } from './neutral.ts'
import type { Target } from './translation.ts'

/**
 * The efforts that a model knows, from the least to the most. OpenAI had the least only from GPT-5 to before 5.1, and has the
 * most from GPT-5.2 on; Anthropic has the last but one from Claude 4.7 on. A model whose name says nothing may have them all.
 */
export const effortsAt = {
  openai: ({ model }: Target): readonly string[] => [
    ...(/(^|\/)(o\d|gpt-5\.)/.test(model) ? [] : ['minimal']),
    'low',
    'medium',
    'high',
    ...(/(^|\/)(o\d|gpt-5(\.1)?(-(?!.*max)|$))/.test(model) ? [] : ['xhigh']),
  ],
  anthropic: ({ model }: Target): readonly string[] => [
    'low',
    'medium',
    'high',
    ...(/claude-(opus|sonnet)-4-6/.test(model) ? [] : ['xhigh']),
    'max',
  ],
}

/**
 * Whether a model of OpenAI's can be told how much to think. Its older models refuse to be: 400 `unsupported_parameter`.
 * What the configuration says of a model goes before what its name tells.
 */
export const openaiThinks = ({ model, reasoning }: Target): boolean =>
  reasoning || !/(^|\/)(gpt-[34]|chatgpt-)/.test(model)

/**
 * How a model of Anthropic's is told to think: from 4.6 on adaptively, by effort; before that by a budget; before 3.7 not
 * at all. https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
 */
export function anthropicThinks({ model }: Target): 'adaptive' | 'budget' | 'never' {
  if (/claude-(2|instant|3-(5|opus|sonnet|haiku))/.test(model)) return 'never'
  return /claude-(3-7|(opus|sonnet|haiku)-4(-[0-5])?($|[^-\d]|-(\d{8}|latest)))/.test(model) ? 'budget' : 'adaptive'
}

/**
 * Whether a model refuses to be told how to sample: 400, whatever it is told but the default. Anthropic's from Opus 4.7 on,
 * and OpenAI's that always think. https://platform.claude.com/docs/en/about-claude/models/migration-guide
 */
export const refusesSampling = ({ model }: Target): boolean =>
  /claude-(opus-4-([7-9]|1\d)(?!\d)|(opus|sonnet|haiku)-[5-9]|fable|mythos)|(^|\/)(o\d|gpt-5(?!\.|-chat))/.test(model)

/** The least budget that Anthropic takes. */
const leastBudget = 1_024

/** The budget in tokens that comes next to what was asked for; undefined where so little may be written that none fits. */
export function budgetOf({ effort, budgetTokens }: Reasoning, maxOutputTokens: number): number | undefined {
  const asked = budgetTokens ?? scale.find(([name]) => name === effort)?.[1] ?? leastBudget
  const budget = Math.min(asked, Math.floor(maxOutputTokens / 2))
  return budget < leastBudget ? undefined : budget
}

/** All efforts that any dialect knows, in their order, each with the budget in tokens it stands for. */
const scale: readonly (readonly [string, number])[] = [
  ['minimal', 1_024],
  ['low', 4_096],
  ['medium', 16_384],
  ['high', 32_768],
  ['xhigh', 65_536],
  ['max', Infinity],
]

/** The effort, among those a model knows, that comes next to what was asked for; undefined where nothing was. */
export function effortOf({ effort, budgetTokens, isOff }: Reasoning, known: readonly string[]): string | undefined {
  if (isOff) return undefined
  const asked = effort ?? (budgetTokens === undefined ? undefined : effortOfBudget(budgetTokens))
  if (asked === undefined || known.includes(asked)) return asked
  if (rank(asked) < 0) return asked
  return known.toSorted((a, b) => Math.abs(rank(a) - rank(asked)) - Math.abs(rank(b) - rank(asked)))[0]
}

const rank = (name: string) => scale.findIndex(([one]) => one === name)

/** One of the efforts that every model has which is told by effort. */
const effortOfBudget = (tokens: number) => (tokens <= 4_096 ? 'low' : tokens <= 16_384 ? 'medium' : 'high')
