import type { Call, CandidateView } from '../types.ts'
import type { Outcome, RankContext, Ranked, Strategy } from './strategy.ts'

/** Some of a route's models, and how they are ordered among themselves. */
export interface Choice {
  readonly models: readonly string[]
  readonly strategy: Strategy
}

/** Choices by name. */
export type Choices = Readonly<Record<string, Choice>>

/** What a choice is ranked with. */
interface Place {
  readonly call: Call
  readonly candidates: readonly CandidateView[]
  readonly context: RankContext
}

/** What the strategies of choices go by besides, by the names of the choices. */
export interface Parts {
  readonly parts: Readonly<Record<string, unknown>>
}

/** What the strategies of some choices go by besides. */
export function assessChoices(
  choices: Choices,
  { call, candidates, context }: Omit<Place, 'context'> & { readonly context: Pick<RankContext, 'now'> },
): Parts {
  const parts = Object.entries(choices).flatMap(([name, { models, strategy }]) => {
    const part = strategy.assess?.(call, listedOf(models, candidates), context)
    return part === undefined ? [] : [[name, part] as const]
  })
  return { parts: Object.fromEntries(parts) }
}

const listedOf = (models: readonly string[], candidates: readonly CandidateView[]) =>
  models.flatMap((name) => candidates.find((view) => view.name === name) ?? [])

/** Ranks the models of the choice of a name by its own strategy; each place says why the choice was made. */
export function rankChoice(
  choices: Choices,
  { name, why }: { readonly name: string; readonly why: string },
  { call, candidates, context }: Place,
): Ranking {
  const { models, strategy } = choices[name]!
  const { assessment: all, ...rest } = context
  const assessment = partOf(all, name)
  const ranked = strategy.rank(call, listedOf(models, candidates), {
    ...rest,
    ...(assessment !== undefined && { assessment }),
  })
  const withWhy = (every: readonly Ranked[]) =>
    every.map(({ reason, ...one }) => ({ ...one, reason: reason ? `${why}; ${reason}` : why }))
  return ranked instanceof Promise ? ranked.then(withWhy) : withWhy(ranked)
}

const partOf = (assessment: unknown, name: string): unknown => (assessment as Partial<Parts> | undefined)?.parts?.[name]

/** The name of the choice that ranked a model for a call. */
export type DecidedBy = (call: Call, model: string) => string | undefined

/**
 * Tells the strategies of choices what happened to a model of theirs. Whose turn it was concerns the one that decided, so
 * that no call moves what is chosen for another, and so does a rating, as far as that was recorded; how a model answers
 * concerns all.
 */
export function observeChoices(choices: Choices, outcome: Outcome, decidedBy: DecidedBy): void {
  const { name: model } = outcome
  for (const [name, { models, strategy }] of Object.entries(choices)) {
    if (!strategy.observe || !models.includes(model)) continue
    if (outcome.type === 'started') strategy.observe(outcome)
    else if (outcome.type === 'rated') {
      const assessment = partOf(outcome.assessment, name)
      // The call is gone: of the strategies that assess, only those that were asked for it have a part in the record.
      if (assessment !== undefined || !strategy.assess) strategy.observe({ ...outcome, assessment })
    } else if (outcome.type === 'ended') {
      const isForeign = decidedBy(outcome.call, model) !== name
      strategy.observe(isForeign ? { ...outcome, isForeign } : outcome)
    } else if (decidedBy(outcome.call, model) === name) {
      const { assessment: all, ...taken } = outcome
      const assessment = partOf(all, name)
      const candidates = outcome.candidates.filter((view) => models.includes(view.name))
      strategy.observe({ ...taken, candidates, ...(assessment !== undefined && { assessment }) })
    }
  }
}

/** The first of choices that stand one behind the other that has a model. */
export const firstWith = (choices: Choices, order: readonly string[], model: string) =>
  order.find((name) => choices[name]!.models.includes(model))

type Ranking = Ranked[] | Promise<Ranked[]>

/** Rankings one behind the other; every model once, where it stands first. */
export function joined(makers: readonly (() => Ranking)[]): Ranking {
  const parts: Ranking[] = []
  try {
    for (const make of makers) parts.push(make())
  } catch (error) {
    // Nobody waits for these any more.
    for (const part of parts) if (part instanceof Promise) part.catch(() => undefined)
    throw error
  }
  const there = parts.flatMap((part) => (part instanceof Promise ? [] : [part]))
  return there.length === parts.length ? once(there) : Promise.all(parts.map(async (part) => part)).then(once)
}

function once(parts: readonly (readonly Ranked[])[]): Ranked[] {
  const seen = new Set<string>()
  return parts.flat().filter(({ name }) => !seen.has(name) && seen.add(name))
}
