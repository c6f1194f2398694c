import { LRUCache } from 'lru-cache'
import type { Belief } from './propensities.ts'

/** How rewards are kept. */
export interface RewardsOptions {
  /** After this time, in milliseconds, a reward counts half. */
  readonly halfLifeMs: number
  /** What an arm is expected to earn before anything is known of it. */
  readonly expected: (arm: string) => number
}

/** The rewards of arms, apart for each context. What is old fades, and with it the certainty. */
export interface Rewards {
  belief(context: string, arm: string, now: number): Belief
  /** How many rewards stand behind a belief, as far as they have not faded. */
  weight(context: string, arm: string, now: number): number
  /** Counts a reward that was earned `ageMs` ago; `key` names it, so that it can be told anew. */
  add(reward: Reward, now: number): void
  /** Sets another reward in place of the one under this key. False where there is none any more. */
  replace(key: string, value: number, now: number): boolean
}

/** What an arm earned. */
export interface Reward {
  readonly key: string
  readonly context: string
  readonly arm: string
  readonly value: number
  readonly ageMs?: number
}

/** The variance of one reward: that of a score that is 0 or 1 by chance. */
const variance = 0.25
/** What is expected of an arm before anything is known counts as much as so many rewards. */
const expectedWeight = 1

const mostContexts = 1_000
const mostRemembered = 10_000

interface Cell {
  weight: number
  sum: number
  at: number
}

/** A reward that was added, and the arms of its context: others stand there once that was forgotten. */
interface Counted extends Reward {
  readonly at: number
  readonly countedIn: ReadonlyMap<string, Cell>
}

export function createRewards({ halfLifeMs, expected }: RewardsOptions): Rewards {
  const contexts = new LRUCache<string, Map<string, Cell>>({ max: mostContexts })
  const remembered = new LRUCache<string, Counted>({ max: mostRemembered })
  const fading = (ms: number) => 2 ** (-Math.max(0, ms) / halfLifeMs)

  /** The cell of an arm as it stands now. Reading it changes nothing but what fades anyway. */
  function standing(context: string, arm: string, now: number): Cell {
    const { weight = 0, sum = 0, at = now } = contexts.peek(context)?.get(arm) ?? {}
    const left = fading(now - at)
    return { weight: weight * left, sum: sum * left, at: now }
  }

  function change(
    { context, arm }: Pick<Reward, 'context' | 'arm'>,
    by: { weight: number; sum: number },
    now: number,
  ): Map<string, Cell> {
    const cell = standing(context, arm, now)
    const arms = contexts.get(context) ?? new Map<string, Cell>()
    contexts.set(context, arms.set(arm, { weight: cell.weight + by.weight, sum: cell.sum + by.sum, at: now }))
    return arms
  }

  return {
    belief(context, arm, now) {
      const { weight, sum } = standing(context, arm, now)
      const total = weight + expectedWeight
      return { mean: (sum + expected(arm) * expectedWeight) / total, variance: variance / total }
    },
    weight: (context, arm, now) => standing(context, arm, now).weight,
    add(reward, now) {
      const { ageMs = 0, value, key } = reward
      const left = fading(ageMs)
      const countedIn = change(reward, { weight: left, sum: left * value }, now)
      remembered.set(key, { ...reward, at: now - ageMs, countedIn })
    },
    replace(key, value, now) {
      const before = remembered.get(key)
      if (!before || contexts.peek(before.context) !== before.countedIn) return false
      change(before, { weight: 0, sum: fading(now - before.at) * (value - before.value) }, now)
      remembered.set(key, { ...before, value })
      return true
    },
  }
}
