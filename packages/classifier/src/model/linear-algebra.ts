/** The sums of a least-squares problem over rows of the same width: what a ridge regression needs, and no row. */
export class NormalEquations {
  readonly width: number
  readonly #gram: Float64Array
  readonly #moments: Float64Array

  constructor(width: number) {
    this.width = width
    this.#gram = new Float64Array(width * width)
    this.#moments = new Float64Array(width)
  }

  add(row: ArrayLike<number>, target: number): void {
    const { width } = this
    for (let i = 0; i < width; i++) {
      const value = row[i]!
      if (value === 0) continue
      this.#moments[i]! += value * target
      for (let j = i; j < width; j++) this.#gram[i * width + j]! += value * row[j]!
    }
  }

  /** The weights with the least squared error plus each one's square times its penalty, all of which are above 0. */
  solve(penalties: ArrayLike<number>): Float64Array {
    const { width } = this
    const factor = new Float64Array(width * width)
    for (let i = 0; i < width; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = this.#gram[j * width + i]! + (i === j ? penalties[i]! : 0)
        for (let k = 0; k < j; k++) sum -= factor[i * width + k]! * factor[j * width + k]!
        factor[i * width + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / factor[j * width + j]!
      }
    }
    return substitute(factor, Float64Array.from(this.#moments))
  }
}

/** Solves L Lᵀ x = b in place, for a Cholesky factor L. */
function substitute(factor: Float64Array, vector: Float64Array): Float64Array {
  const width = vector.length
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < i; k++) vector[i]! -= factor[i * width + k]! * vector[k]!
    vector[i]! /= factor[i * width + i]!
  }
  for (let i = width - 1; i >= 0; i--) {
    for (let k = i + 1; k < width; k++) vector[i]! -= factor[k * width + i]! * vector[k]!
    vector[i]! /= factor[i * width + i]!
  }
  return vector
}
