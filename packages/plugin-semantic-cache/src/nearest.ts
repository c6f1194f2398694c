/** Something that is found by its direction. */
interface Point<T> {
  readonly direction: Float32Array
  readonly value: T
  readonly storedAt: number
}

/** Keeps values by vectors, so many at the most; the oldest go first. */
export class NearestNeighbours<T> {
  private readonly maximum: number
  private points: Point<T>[] = []

  constructor(maximum: number) {
    this.maximum = maximum
  }

  get size(): number {
    return this.points.length
  }

  add(vector: readonly number[], value: T, storedAt: number): void {
    this.points.push({ direction: directionOf(vector), value, storedAt })
    if (this.points.length > this.maximum) this.points.shift()
  }

  /** The value whose vector has the highest cosine with this one, where that is not below the threshold. */
  find(vector: readonly number[], threshold: number, since: number): T | undefined {
    this.points = this.points.filter(({ storedAt }) => storedAt >= since)
    const direction = directionOf(vector)
    let best: T | undefined
    let most = threshold
    for (const point of this.points) {
      const cosine = dot(point.direction, direction)
      if (cosine < most) continue
      most = cosine
      best = point.value
    }
    return best
  }
}

function directionOf(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector)
  return Float32Array.from(vector, (value) => (length === 0 ? 0 : value / length))
}

/** Vectors of different lengths, as different embedders make them, have nothing in common. */
function dot(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return -1
  let sum = 0
  for (let index = 0; index < one.length; index++) sum += one[index]! * other[index]!
  return sum
}
