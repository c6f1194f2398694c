import { type Complexity, heuristicLabels } from '../classify/heuristic.ts'
import type { Call, Ranked, Strategy } from '../types.ts'
import { type Choice, assessChoice, observeChoices, rankChoice } from './choice.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

/** Options of the strategy `complexity`: models for each level, from the first to be tried to the last. */
export interface ComplexityOptions {
  readonly simple?: readonly string[] | undefined
  readonly moderate?: readonly string[] | undefined
  readonly complex?: readonly string[] | undefined
  /** How the models of a level are ordered. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
}

/** The level of a call, who says so, and what the strategies of the levels go by. */
interface Assessed {
  readonly level: Complexity
  readonly by: string
  readonly parts?: Readonly<Partial<Record<Complexity, unknown>>>
}

/** Which levels serve a call of a level: its own, then stronger ones, then weaker ones. */
const chains: Readonly<Record<Complexity, readonly Complexity[]>> = {
  simple: ['simple', 'moderate', 'complex'],
  moderate: ['moderate', 'complex', 'simple'],
  complex: ['complex', 'moderate', 'simple'],
}

/**
 * The models of the level that the label `complexity` names; the heuristic's guess where no classifier has set it. Behind
 * them the models of stronger levels stand, then those of weaker ones.
 */
export function complexity(options: ComplexityOptions, make: MakeStrategy): Strategy {
  const choiceOf = (models: readonly string[] = []): Choice => ({ models, strategy: make(options.strategy) })
  const choices: Readonly<Record<Complexity, Choice>> = {
    simple: choiceOf(options.simple),
    moderate: choiceOf(options.moderate),
    complex: choiceOf(options.complex),
  }
  return {
    name: 'complexity',
    assess(call, candidates, context): Assessed {
      const parts = Object.entries(choices).flatMap(([level, choice]) => {
        const part = assessChoice(choice, { call, candidates, context })
        return part === undefined ? [] : [[level, part] as const]
      })
      return { ...levelOf(call), ...(parts.length > 0 && { parts: Object.fromEntries(parts) }) }
    },
    rank(call, candidates, { assessment, ...context }) {
      const { level, by, parts: known = {} } = (assessment as Assessed | undefined) ?? levelOf(call)
      const why = (one: Complexity) => (one === level ? `${level} ${by}` : `behind ${level}: ${one}`)
      const contextOf = (one: Complexity) =>
        known[one] === undefined ? context : { ...context, assessment: known[one] }
      const parts = chains[level].map((one) =>
        rankChoice(choices[one], why(one), { call, candidates, context: contextOf(one) }),
      )
      const there = parts.flatMap((part) => (part instanceof Promise ? [] : [part]))
      return there.length === parts.length ? each(there) : Promise.all(parts.map(async (part) => part)).then(each)
    },
    observe(outcome) {
      const { parts = {} } = ((outcome.type === 'taken' && outcome.assessment) || {}) as Partial<Assessed>
      observeChoices(Object.values(choices), outcome, (choice) => {
        const [level] = Object.entries(choices).find(([, one]) => one === choice)!
        return parts[level as Complexity]
      })
    },
  }
}

/** Every model once, where it stands first. */
function each(parts: readonly (readonly Ranked[])[]): readonly Ranked[] {
  const seen = new Set<string>()
  return parts.flat().filter(({ name }) => !seen.has(name) && seen.add(name))
}

function levelOf({ labels, request }: Call): Assessed {
  const label = labels['complexity']
  if (label !== undefined && Object.hasOwn(chains, label)) return { level: label as Complexity, by: 'by its label' }
  return { level: heuristicLabels(request).complexity, by: 'by the heuristic' }
}

/**
 * The strategy `complexity` of a route, whose models it names: a route with it needs no `models` of its own.
 *
 * @example
 * const routes = { auto: { strategy: byComplexity({ simple: ['small'], complex: ['large', 'larger'] }) } }
 */
export const byComplexity = (options: ComplexityOptions) => ({ use: 'complexity', ...options }) as const
