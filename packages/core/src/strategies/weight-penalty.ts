import type { Clock } from '../clock.ts'

/** How a weight falls and comes back. */
export interface WeightPenaltyOptions {
  /** What one cut leaves of the weight. @default 0.8 */
  readonly factor?: number
  /** The time in which half of a cut is made good, in milliseconds. @default 30_000 */
  readonly halfLifeMs?: number
}

/** The share of its weight that a model keeps: each rate limit cuts it, and time alone brings it back. */
export interface WeightPenalty {
  cut(): void
  /** From just above 0 to 1. */
  readonly share: number
}

const forgottenBelow = 0.01

/** After `n` cuts in a row the share is `factor ** n`; the exponent then halves every half-life. */
export function createWeightPenalty(
  { factor = 0.8, halfLifeMs = 30_000 }: WeightPenaltyOptions,
  clock: Clock,
): WeightPenalty {
  let cuts = 0
  let sinceMs = 0
  const left = () => {
    if (cuts === 0) return 0
    const now = cuts * 2 ** (-(clock.now() - sinceMs) / halfLifeMs)
    if (now < forgottenBelow) cuts = 0
    return now
  }
  return {
    cut() {
      cuts = left() + 1
      sinceMs = clock.now()
    },
    get share() {
      return cuts === 0 ? 1 : factor ** left()
    },
  }
}
