import type { Identity } from '../types.ts'
import type { Strategy } from './strategy.ts'
import { type Choices, assessChoices, observeChoices, rankChoice } from './choice.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

/** The models that serve callers of a tier. */
export interface TierChoice {
  /** From the first to be tried to the last. The route's `fallback` follows. */
  readonly models: readonly string[]
  /** How they are ordered. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
  /** What differs for callers for whom time matters (`latencySensitive` of their identity). */
  readonly latencySensitive?:
    | {
        /** @default the same models */
        readonly models?: readonly string[] | undefined
        /** @default 'least-latency' */
        readonly strategy?: NestedStrategy | undefined
      }
    | undefined
}

/** Options of the strategy `tier`. */
export interface TierOptions {
  /** By the tier of the caller, as the host names it. */
  readonly tiers: Readonly<Record<string, TierChoice>>
  /** Serves callers without a tier, and those of a tier that is not listed. */
  readonly otherwise: TierChoice
}

/**
 * Models and their order by the tier of the caller, and by whether time matters to it. Both are what the host says of the
 * caller, or its API key does: nothing in a request can change them. Each tier has strategies of its own, which learn of
 * all calls to their models and are moved by no other tier.
 */
export function tier({ tiers, otherwise }: TierOptions, make: MakeStrategy): Strategy {
  const choicesOf = (name: string, { models, strategy, latencySensitive = {} }: TierChoice): Choices => ({
    [name]: { models, strategy: make(strategy) },
    [quick(name)]: {
      models: latencySensitive.models ?? models,
      strategy: make(latencySensitive.strategy ?? 'least-latency'),
    },
  })
  const byTier = Object.entries(tiers).map(([name, choice]) => choicesOf(placeOf(name), choice))
  const choices: Choices = Object.assign({}, ...byTier, choicesOf(others, otherwise))
  const known: ReadonlySet<string | undefined> = new Set(Object.keys(tiers))
  const choiceFor = ({ tier: name, latencySensitive }: Identity) => {
    const place = known.has(name) ? placeOf(name!) : others
    return latencySensitive === true ? quick(place) : place
  }
  return {
    name: 'tier',
    assess(call, candidates, context) {
      const name = choiceFor(call.identity)
      return assessChoices({ [name]: choices[name]! }, { call, candidates, context })
    },
    rank(call, candidates, context) {
      const { identity } = call
      const why = reasonFor(identity, known.has(identity.tier))
      return rankChoice(choices, { name: choiceFor(identity), why }, { call, candidates, context })
    },
    observe: (outcome) => observeChoices(choices, outcome, ({ identity }) => choiceFor(identity)),
  }
}

const others = 'otherwise'
const placeOf = (name: string) => `tier ${name}`
const quick = (place: string) => `${place}, latency-sensitive`

function reasonFor({ tier: name, latencySensitive }: Identity, isKnown: boolean): string {
  const which =
    name === undefined ? 'no tier' : isKnown ? `tier ${JSON.stringify(name)}` : `no tier like ${JSON.stringify(name)}`
  return latencySensitive === true ? `${which}, latency-sensitive` : which
}

/**
 * The strategy `tier` of a route, whose models it names: a route with it needs no `models` of its own.
 *
 * @example
 * const strategy = byTier({
 *   tiers: { premium: { models: ['large'], latencySensitive: { models: ['quick', 'large'] } } },
 *   otherwise: { models: ['small'] },
 * })
 */
export const byTier = (options: TierOptions) => ({ use: 'tier', ...options }) as const
