/** Something that is found by its direction. */
interface Point<T> {
  readonly direction: Float32Array
  readonly value: T
  readonly storedAt: number
}

/** Keeps values by directions, so many at the most; the oldest go first. */
export class NearestNeighbours<T> {
  private readonly maximum: number
  private points: Point<T>[] = []

  constructor(maximum: number) {
    this.maximum = maximum
  }

  get size(): number {
    return this.points.length
  }

  add(direction: Float32Array, value: T, storedAt: number): void {
    this.points.push({ direction, value, storedAt })
    if (this.points.length > this.maximum) this.points.shift()
  }

  /** The value whose direction has the highest cosine with this one, where that is not below the threshold. */
  find(direction: Float32Array, threshold: number, since: number): T | undefined {
    this.points = this.points.filter(({ storedAt }) => storedAt >= since)
    let best: T | undefined
    let most = threshold - rounding
    for (const point of this.points) {
      const cosine = dot(point.direction, direction)
      if (cosine < most) continue
      most = cosine
      best = point.value
    }
    return best
  }
}

/** What may be lost of a cosine on the way: the same vector has one of 1 with itself. */
const rounding = 1e-6

/**
 * The direction that a vector points in.
 *
 * @throws TypeError for what points nowhere: no vector, an empty one, one of nothing but zeros, one with what is no number
 */
export function directionOf(vector: ArrayLike<number>): Float32Array {
  const values = Array.from(vector, Number)
  const length = Math.hypot(...values)
  if (!(length > 0 && length < Infinity)) throw new TypeError('the embedder gave a vector that points nowhere')
  return Float32Array.from(values, (value) => value / length)
}

/** Directions of different lengths, as different embedders make them, have nothing in common. */
function dot(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return -1
  let sum = 0
  for (let index = 0; index < one.length; index++) sum += one[index]! * other[index]!
  return sum
}
