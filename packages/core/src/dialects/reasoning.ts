import type { Reasoning } from './neutral.ts'

/** The efforts that a dialect knows, from the least to the most. */
export const efforts = {
  openai: ['minimal', 'low', 'medium', 'high', 'xhigh'],
  anthropic: ['low', 'medium', 'high', 'xhigh', 'max'],
} as const

/** All efforts that any dialect knows, in their order, each with the budget in tokens up to which it stands for one. */
const scale: readonly (readonly [string, number])[] = [
  ['minimal', 1_024],
  ['low', 4_096],
  ['medium', 16_384],
  ['high', 32_768],
  ['xhigh', 65_536],
  ['max', Infinity],
]

/** The effort, among those a dialect knows, that comes next to what was asked for; undefined where nothing was. */
export function effortOf({ effort, budgetTokens, isOff }: Reasoning, known: readonly string[]): string | undefined {
  if (isOff) return undefined
  const asked = effort ?? scale.find(([, upTo]) => budgetTokens !== undefined && budgetTokens <= upTo)?.[0]
  if (asked === undefined || known.includes(asked)) return asked
  const rank = (name: string) => scale.findIndex(([one]) => one === name)
  if (rank(asked) < 0) return asked
  return known.toSorted((a, b) => Math.abs(rank(a) - rank(asked)) - Math.abs(rank(b) - rank(asked)))[0]
}
