import type { Call, CandidateView, Outcome, RankContext, Ranked, Strategy } from '../types.ts'

/** Some of a route's models, and how they are ordered among themselves. */
export interface Choice {
  readonly models: readonly string[]
  readonly strategy: Strategy
}

/** What a choice is ranked with. */
interface Place {
  readonly call: Call
  readonly candidates: readonly CandidateView[]
  readonly context: RankContext
}

/** Whether any of these choices goes by more than the call and the views. */
export const someAssess = (choices: readonly Choice[]): boolean =>
  choices.some(({ strategy }) => strategy.assess !== undefined)

/** What the strategy of a choice goes by besides. */
export const assessChoice = (
  { models, strategy }: Choice,
  { call, candidates, context }: Omit<Place, 'context'> & { readonly context: Pick<RankContext, 'now'> },
): unknown => strategy.assess?.(call, listedOf(models, candidates), context)

const listedOf = (models: readonly string[], candidates: readonly CandidateView[]) =>
  models.flatMap((name) => candidates.find((view) => view.name === name) ?? [])

/** Ranks the models of a choice by its own strategy; each place says why the choice was made. */
export function rankChoice(
  { models, strategy }: Choice,
  why: string,
  { call, candidates, context }: Place,
): Ranked[] | Promise<Ranked[]> {
  const ranked = strategy.rank(call, listedOf(models, candidates), context)
  const withWhy = (all: readonly Ranked[]) =>
    all.map(({ reason, ...one }) => ({ ...one, reason: reason ? `${why}; ${reason}` : why }))
  return ranked instanceof Promise ? ranked.then(withWhy) : withWhy(ranked)
}

/**
 * Tells the strategies of choices what happened to a model of theirs.
 *
 * @param assessmentOf what the strategy of a choice went by in the decision
 */
export function observeChoices(
  choices: readonly Choice[],
  outcome: Outcome,
  assessmentOf: (choice: Choice) => unknown,
): void {
  for (const choice of choices) {
    const { models, strategy } = choice
    if (!models.includes(outcome.name)) continue
    if (outcome.type === 'taken') {
      const { assessment: _ofAll, ...taken } = outcome
      const assessment = assessmentOf(choice) ?? undefined
      const candidates = outcome.candidates.filter(({ name }) => models.includes(name))
      strategy.observe?.({ ...taken, candidates, ...(assessment !== undefined && { assessment }) })
    } else strategy.observe?.(outcome)
  }
}
