import { type Complexity, heuristicLabels } from '../classify/heuristic.ts'
import type { Call } from '../types.ts'
import type { Ranked, Strategy } from './strategy.ts'
import { type Choice, type Parts, assessChoices, firstWith, joined, observeChoices, rankChoice } from './choice.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

/** Options of the strategy `complexity`: models for each level, from the first to be tried to the last. */
export interface ComplexityOptions {
  readonly simple?: readonly string[] | undefined
  readonly moderate?: readonly string[] | undefined
  readonly complex?: readonly string[] | undefined
  /** How the models of a level are ordered. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
}

/** The level of a call, and who says so. */
interface Level {
  readonly level: Complexity
  readonly by: string
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
  /** Of calls that were ranked, so that none is read again. */
  const known = new WeakMap<object, Complexity>()
  return {
    name: 'complexity',
    assess: (call, candidates, context): Level & Parts => ({
      ...levelOf(call),
      ...assessChoices(choices, { call, candidates, context }),
    }),
    rank(call, candidates, context) {
      const { level, by } = (context.assessment as Level | undefined) ?? levelOf(call)
      known.set(call.record, level)
      const why = (one: Complexity) => (one === level ? `${level} ${by}` : `behind ${level}: ${one}`)
      const part = (name: Complexity) => rankChoice(choices, { name, why: why(name) }, { call, candidates, context })
      const isWeaker = (name: Complexity) => levels.indexOf(name) < levels.indexOf(level)
      return joined(chains[level].map((name) => () => (isWeaker(name) ? weaker(part(name)) : part(name))))
    },
    observe: (outcome) =>
      observeChoices(choices, outcome, (call, model) =>
        firstWith(choices, chains[known.get(call.record) ?? levelOf(call).level], model),
      ),
  }
}

const levels: readonly Complexity[] = ['simple', 'moderate', 'complex']

const weaker = (ranked: Ranked[] | Promise<Ranked[]>): Ranked[] | Promise<Ranked[]> =>
  ranked instanceof Promise ? ranked.then(marked) : marked(ranked)

const marked = (all: readonly Ranked[]): Ranked[] => all.map((one) => ({ ...one, weaker: true }))

function levelOf({ labels, request }: Call): Level {
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
