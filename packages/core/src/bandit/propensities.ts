/** What is believed of a mean: a normal distribution. */
export interface Belief {
  readonly mean: number
  readonly variance: number
}

/** Half the width of what is integrated over, in standard deviations, and the steps on it. */
const reach = 6
const steps = 48

/**
 * The chance of each that its mean is the highest: what Thompson sampling would draw each with. Worked out and not
 * sampled, so that a draw from these chances has a propensity that is known exactly. They sum to 1.
 */
export function propensities(beliefs: readonly Belief[]): number[] {
  const chances = beliefs.map((_belief, at) => chanceOfHighest(beliefs, at))
  const sum = chances.reduce((total, chance) => total + chance, 0)
  return chances.map((chance) => chance / sum)
}

function chanceOfHighest(beliefs: readonly Belief[], at: number): number {
  const { mean, variance } = beliefs[at]!
  const deviation = Math.sqrt(variance)
  const width = (2 * reach) / steps
  let sum = 0
  for (let step = 0; step <= steps; step++) {
    const z = step * width - reach
    let density = Math.exp((-z * z) / 2)
    for (let other = 0; other < beliefs.length; other++) {
      if (other === at) continue
      const rival = beliefs[other]!
      density *= cumulative((mean + deviation * z - rival.mean) / Math.sqrt(rival.variance))
    }
    sum += density
  }
  return sum
}

/** The normal distribution function, within 1e-7: Abramowitz and Stegun, 7.1.26. */
function cumulative(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + 0.327_591_1 * x)
  const series =
    t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))))
  const tail = (series * Math.exp(-x * x)) / 2
  return z > 0 ? 1 - tail : tail
}
