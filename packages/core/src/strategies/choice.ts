import type { Call, CandidateView, Outcome, RankContext, Ranked, Strategy } from '../types.ts'

/** Some of a route's models, and how they are ordered among themselves. */
export interface Choice {
  readonly models: readonly string[]
  readonly strategy: Strategy
}

/** Ranks the models of a choice by its own strategy; each place says why the choice was made. */
export function rankChoice(
  { models, strategy }: Choice,
  why: string,
  { call, candidates, context }: { call: Call; candidates: readonly CandidateView[]; context: RankContext },
): Ranked[] | Promise<Ranked[]> {
  const listed = models.flatMap((name) => candidates.find((view) => view.name === name) ?? [])
  const ranked = strategy.rank(call, listed, context)
  const withWhy = (all: readonly Ranked[]) =>
    all.map((one) => ({ ...one, reason: one.reason ? `${why}; ${one.reason}` : why }))
  return ranked instanceof Promise ? ranked.then(withWhy) : withWhy(ranked)
}

/** The choice that ranked a model for a call. */
export type Decided = (call: Call, name: string) => Choice | undefined

/**
 * Tells the strategies of choices what happened to a model of theirs. Whose turn it was concerns the one that decided, so
 * that no call moves what is chosen for another; how a model answers concerns all.
 */
export function observeChoices(choices: readonly Choice[], outcome: Outcome, decided: Decided): void {
  const { name } = outcome
  for (const choice of choices) {
    const { models, strategy } = choice
    if (!strategy.observe || !models.includes(name)) continue
    if (outcome.type === 'taken') {
      const candidates = outcome.candidates.filter((view) => models.includes(view.name))
      if (decided(outcome.call, name) === choice) strategy.observe({ ...outcome, candidates })
    } else if (outcome.type === 'ended') {
      const isOwn = outcome.call && decided(outcome.call, name) === choice
      strategy.observe(isOwn ? outcome : { ...outcome, call: undefined })
    } else strategy.observe(outcome)
  }
}

/** The first of choices that stand one behind the other that has a model. */
export const firstWith = (choices: readonly Choice[], name: string) =>
  choices.find(({ models }) => models.includes(name))

/** Rankings one behind the other; every model once, where it stands first. */
export function joined(parts: readonly (Ranked[] | Promise<Ranked[]>)[]): Ranked[] | Promise<Ranked[]> {
  const there = parts.flatMap((part) => (part instanceof Promise ? [] : [part]))
  return there.length === parts.length ? once(there) : Promise.all(parts.map(async (part) => part)).then(once)
}

function once(parts: readonly (readonly Ranked[])[]): Ranked[] {
  const seen = new Set<string>()
  return parts.flat().filter(({ name }) => !seen.has(name) && seen.add(name))
}
