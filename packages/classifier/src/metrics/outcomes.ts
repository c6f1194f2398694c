/** What is known of some prompts: for each, what every model of a pool scored and cost there. */
export interface Outcomes {
  readonly models: readonly string[]
  /** Scores by prompt, then by model. */
  readonly scores: readonly Float64Array[]
  /** US dollars by prompt, then by model. */
  readonly costs: readonly Float64Array[]
}

/** Draws the prompts of a resample: indices, some of them several times. */
export type Draw = ArrayLike<number>

/** All prompts, each once. */
const everyPrompt = (count: number): Draw => Uint32Array.from({ length: count }, (_, at) => at)

/** The mean score and the mean cost of each model. */
export function meansOf({ models, scores, costs }: Outcomes, draw: Draw = everyPrompt(scores.length)): Point[] {
  return models.map((_, model) => {
    let quality = 0
    let costUsd = 0
    for (let at = 0; at < draw.length; at++) {
      quality += scores[draw[at]!]![model]!
      costUsd += costs[draw[at]!]![model]!
    }
    return { quality: quality / draw.length, costUsd: costUsd / draw.length }
  })
}

/** What a policy comes to: its mean score, and its mean cost in US dollars a call. */
export interface Point {
  readonly quality: number
  readonly costUsd: number
}
