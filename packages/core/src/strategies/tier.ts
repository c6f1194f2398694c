import type { Identity, Strategy } from '../types.ts'
import { type Choice, observeChoices, rankChoice } from './choice.ts'
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

interface Choices {
  readonly usual: Choice
  readonly quick: Choice
}

/**
 * Models and their order by the tier of the caller, and by whether time matters to it. Both are what the host says of the
 * caller, or its API key does: nothing in a request can change them. Each tier has strategies of its own, which learn of
 * all calls to their models and are moved by no other tier.
 */
export function tier({ tiers, otherwise }: TierOptions, make: MakeStrategy): Strategy {
  const choicesOf = ({ models, strategy, latencySensitive = {} }: TierChoice): Choices => ({
    usual: { models, strategy: make(strategy) },
    quick: { models: latencySensitive.models ?? models, strategy: make(latencySensitive.strategy ?? 'least-latency') },
  })
  const byTier = new Map(Object.entries(tiers).map(([name, choice]) => [name, choicesOf(choice)]))
  const others = choicesOf(otherwise)
  const all = [...byTier.values(), others].flatMap(({ usual, quick }) => [usual, quick])
  return {
    name: 'tier',
    rank(call, candidates, context) {
      const { identity } = call
      const isKnown = identity.tier !== undefined && byTier.has(identity.tier)
      return rankChoice(choiceFor(identity), reasonFor(identity, isKnown), { call, candidates, context })
    },
    observe: (outcome) => observeChoices(all, outcome, ({ identity }) => choiceFor(identity)),
  }

  function choiceFor({ tier: name, latencySensitive }: Identity): Choice {
    const { usual, quick } = (name === undefined ? undefined : byTier.get(name)) ?? others
    return latencySensitive === true ? quick : usual
  }
}

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
