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

/** Tells the strategies of choices what happened to a model of theirs. */
export function observeChoices(choices: readonly Choice[], outcome: Outcome): void {
  for (const { models, strategy } of choices) {
    if (!models.includes(outcome.name)) continue
    if (outcome.type !== 'taken') strategy.observe?.(outcome)
    else strategy.observe?.({ ...outcome, candidates: outcome.candidates.filter(({ name }) => models.includes(name)) })
  }
}

/** Rankings one behind the other; every model once, where it stands first. */
export function joined(parts: readonly (Ranked[] | Promise<Ranked[]>)[]): Ranked[] | Promise<Ranked[]> {
  const there = parts.flatMap((part) => (part instanceof Promise ? [] : [part]))
  return there.length === parts.length ? once(there) : Promise.all(parts.map(async (part) => part)).then(once)
}

function once(parts: readonly (readonly Ranked[])[]): Ranked[] {
  const seen = new Set<string>()
  return parts.flat().filter(({ name }) => !seen.has(name) && seen.add(name))
}
