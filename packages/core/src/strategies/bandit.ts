import { propensities } from '../bandit/propensities.ts'
import { type Reward, createRewards } from '../bandit/rewards.ts'
import type { Random } from '../clock.ts'
import type { CallRecord } from '../record.ts'
import type { Call, CandidateView, Services } from '../types.ts'
import type { Outcome, RankContext, Ranked, Strategy } from './strategy.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'
import { draw } from './weighted.ts'

/** Options of the strategy `bandit`. */
export interface BanditOptions {
  /** Two to four models to choose among. */
  readonly arms: readonly string[]
  /** The share of calls for which an arm is drawn by how likely it is the best. @default 1 */
  readonly share?: number | undefined
  /** How the arms are ordered for the rest of the calls. @default the one with the highest expected reward first */
  readonly strategy?: NestedStrategy | undefined
  /** Rewards are kept apart for each value of this label. @default 'domain' */
  readonly label?: string | undefined
  /** The score that a US dollar must buy: a reward is the score less this times the cost. @default 0 */
  readonly lambda?: number | undefined
  /** After this time, in milliseconds, a reward counts half. @default 86400000 (a day) */
  readonly halfLifeMs?: number | undefined
  /** The reward expected of each arm before anything is known of it. It counts as much as one call. @default 0.5 */
  readonly prior?: Readonly<Record<string, number>> | undefined
  /**
   * What a whole answer counts as that nobody has rated: `success` (score 1), or nothing until it is rated. An answer that
   * failed has score 0 either way.
   * @default 'success'
   */
  readonly unrated?: 'success' | 'ignore' | undefined
}

type Belief = ReturnType<ReturnType<typeof createRewards>['belief']> & { readonly calls: number }

/** What is believed of each arm, and what the strategy for the rest of the calls goes by. */
interface Assessed {
  readonly beliefs: Readonly<Record<string, Belief>>
  readonly others?: unknown
}

const dayMs = 86_400_000
const usualReward = 0.5
const nanoUsdPerUsd = 1e9

/** No word on the model: the caller left, or sent what no model takes. */
const saysNothing: ReadonlySet<string> = new Set(['cancelled', 'upstream_rejected'])

/**
 * Thompson sampling over two to four models: for a share of the calls an arm is drawn with the chance that it is the best,
 * as far as its rewards tell; the record says with which chance. A reward is the score of a call (0 where it failed, 1
 * where it did not, or what `router.feedback` says) less what it cost times `lambda`. Arms that look worse than others or
 * cannot start now are not drawn, nor with a `lambda` those whose price is unknown, while others are there. What it has
 * learned lives in the process.
 */
export function bandit(options: BanditOptions, { clock }: Services, make: MakeStrategy): Strategy {
  const { arms, share = 1, label = 'domain', lambda = 0, halfLifeMs = dayMs, prior = {}, unrated = 'success' } = options
  const others = options.strategy === undefined ? undefined : make(options.strategy)
  const priors = new Map(Object.entries(prior))
  const rewards = createRewards({ halfLifeMs, expected: (arm) => priors.get(arm) ?? usualReward })
  const contextOf = (labels: CallRecord['labels']) => labels[label] ?? ''
  const rewardOf = (score: number, costNanoUsd = 0) => score - (lambda * costNanoUsd) / nanoUsdPerUsd

  const armsOf = (candidates: readonly CandidateView[]) => candidates.filter(({ name }) => arms.includes(name))

  return {
    name: 'bandit',
    assess,
    rank(call, candidates, context) {
      const { random, now, assessment = assess(call, candidates, context) } = context
      const { beliefs, others: ofOthers } = assessment as Assessed
      const isDrawn = random() < share
      const listed = armsOf(candidates)
      if (isDrawn || !others) return play(listed, { beliefs, random, isDrawn, countsCost: lambda > 0, propensityOf })
      return others.rank(call, listed, { random, now, ...(ofOthers !== undefined && { assessment: ofOthers }) })
    },
    observe(outcome) {
      // Whose turn it was concerns the one that decided.
      if (outcome.type === 'taken' && isOwn(outcome.call.record.candidates)) return
      if (outcome.type === 'taken' || outcome.type === 'rated') {
        const { assessment, ...told } = outcome
        const { others: ofOthers } = (assessment ?? {}) as Partial<Assessed>
        others?.observe?.({ ...told, ...(ofOthers !== undefined && { assessment: ofOthers }) })
      } else others?.observe?.(outcome)
      if (outcome.type === 'ended') learn(outcome)
      else if (outcome.type === 'rated') relearn(outcome)
    },
  }

  function assess(call: Call, candidates: readonly CandidateView[], context: Pick<RankContext, 'now'>): Assessed {
    const { now } = context
    const listed = armsOf(candidates)
    const kind = contextOf(call.labels)
    const beliefOf = (name: string): Belief => ({
      ...rewards.belief(kind, name, now),
      calls: Math.round(rewards.weight(kind, name, now)),
    })
    const ofOthers = others?.assess?.(call, listed, context)
    return {
      beliefs: Object.fromEntries(listed.map(({ name }) => [name, beliefOf(name)])),
      ...(ofOthers !== undefined && { others: ofOthers }),
    }
  }

  /** Where another strategy orders the rest of the calls, only draws have propensities: its reasons are not chance. */
  function propensityOf(chance: number, isBest: boolean): number {
    return others ? chance : share * chance + (1 - share) * Number(isBest)
  }

  function learn(outcome: Extract<Outcome, { type: 'ended' }>): void {
    const { call, name, ok, code = '', isForeign = false } = outcome
    const { record } = call
    if (isForeign) return
    const tries = record.attempts.filter(({ model }) => model === name)
    // What stood in for the choice was tried because that failed: its luck is not that of a choice.
    if (tries.length === 0 || saysNothing.has(code) || !wasChosen(name, record.candidates)) return
    if (ok && unrated === 'ignore') return
    const costNanoUsd = tries.reduce((sum, attempt) => sum + (attempt.costNanoUsd ?? 0), 0)
    const value = rewardOf(Number(ok), costNanoUsd)
    keep({ key: record.key, context: contextOf(record.labels), arm: name, value })
  }

  function relearn(outcome: Extract<Outcome, { type: 'rated' }>): void {
    const { callKey, name, score, costNanoUsd, labels, ageMs, candidates } = outcome
    if (!wasChosen(name, candidates)) return
    const value = rewardOf(score, costNanoUsd)
    keep({ key: callKey, context: contextOf(labels), arm: name, value, ageMs })
  }

  /** A call counts once: what is known of it later holds. */
  function keep(reward: Reward): void {
    if (!rewards.replace(reward.key, reward.value, clock.now())) rewards.add(reward, clock.now())
  }

  /** Only calls count that it decided on by itself: what another strategy chose, that chose for its reasons. */
  function wasChosen(name: string, candidates: CallRecord['candidates']): boolean {
    return arms.includes(name) && candidates[0]?.name === name && isOwn(candidates)
  }
}

/** Whether the bandit itself put them in order. */
const isOwn = ([first]: CallRecord['candidates']) => first?.propensity !== undefined

interface Play {
  readonly beliefs: Assessed['beliefs']
  readonly random: Random
  readonly isDrawn: boolean
  /** Whether rewards depend on what a call costs. */
  readonly countsCost: boolean
  /** The chance to stand first of an arm with this chance to be drawn. */
  propensityOf(chance: number, isBest: boolean): number
}

/** One arm first: drawn, or the best so far; then the others. */
function play(
  listed: readonly CandidateView[],
  { beliefs, random, isDrawn, countsCost, propensityOf }: Play,
): Ranked[] {
  const playing = inPlay(listed, countsCost)
  const judged = byReward(playing, beliefs)
  const chances = propensities(judged.map(({ belief }) => belief))
  const first = isDrawn && judged.length > 0 ? draw(chances, random()) : 0
  const ranked = judged.map(({ name, said }, at): Ranked => {
    const why = isDrawn ? `${at === first ? 'drawn' : 'not drawn'} at ${percent(chances[at]!)}` : 'by its reward'
    return { name, propensity: propensityOf(chances[at]!, at === 0), reason: `${why}; ${said}` }
  })
  const rest = byReward(
    listed.filter((view) => !playing.includes(view)),
    beliefs,
  )
  return [
    ...ranked.slice(first, first + 1),
    ...ranked.filter((_one, at) => at !== first),
    ...rest.map(({ name, said }) => ({ name, propensity: 0, reason: `not in play now; ${said}` })),
  ]
}

/** The highest expected reward first; as listed where nothing is known. */
function byReward(views: readonly CandidateView[], beliefs: Assessed['beliefs']) {
  return views
    .map(({ name }) => {
      const belief = beliefs[name]!
      return { name, belief, said: `expected reward ${belief.mean.toFixed(3)} by ${belief.calls} calls` }
    })
    .toSorted((a, b) => b.belief.mean - a.belief.mean)
}

const states = ['healthy', 'degraded', 'unhealthy'] as const

/**
 * Those that look best, and of these those that can start now: so that the one that is drawn is the one that is tried. What
 * counts by its cost must have a price, where any has.
 */
function inPlay(views: readonly CandidateView[], countsCost: boolean): readonly CandidateView[] {
  const state = states.find((one) => views.some(({ health }) => health === one))
  const well = views.filter(({ health }) => health === state)
  const ready = well.filter(({ readyInMs }) => readyInMs === 0)
  const able = ready.length > 0 ? ready : well
  const priced = countsCost ? able.filter(({ price }) => price !== undefined) : able
  return priced.length > 0 ? priced : able
}

const percent = (chance: number) => `${(chance * 100).toFixed(1)} %`

/**
 * The strategy `bandit` of a route, whose models it names: a route with it needs no `models` of its own.
 *
 * @example
 * const strategy = byBandit({ arms: ['small', 'large'], share: 0.05, strategy: 'ordered', lambda: 20 })
 */
export const byBandit = (options: BanditOptions) => ({ use: 'bandit', ...options }) as const
