import type { TokenHandler } from './tokenise.ts'

const mostFeatures = 32_768

/** Counts hashed features by bucket, with a sign from the hash so that collisions cancel out on average. */
export class Bag implements TokenHandler {
  readonly bucketCount: number
  readonly #counts: Int16Array
  readonly #isTouched: Uint8Array
  readonly #touched = new Uint16Array(mostFeatures)
  #size = 0

  constructor(bucketCount: number) {
    this.bucketCount = bucketCount
    this.#counts = new Int16Array(bucketCount)
    this.#isTouched = new Uint8Array(bucketCount)
  }

  add(hash: number): void {
    const mixed = mix(hash)
    const bucket = Math.floor((mixed / 2 ** 32) * this.bucketCount)
    if (this.#isTouched[bucket] === 0) {
      if (this.#size === mostFeatures) return
      this.#isTouched[bucket] = 1
      this.#touched[this.#size++] = bucket
    }
    this.#counts[bucket]! += mixed & 1 ? -1 : 1
  }

  /** What was counted, in logarithms and scaled to length 1; the bag is empty after it. */
  take(): { readonly buckets: Uint16Array; readonly values: Float32Array } {
    const buckets = this.#touched.slice(0, this.#size)
    const values = new Float32Array(this.#size)
    let square = 0
    for (let at = 0; at < buckets.length; at++) {
      const bucket = buckets[at]!
      const value = damped(this.#counts[bucket]!)
      values[at] = value
      square += value * value
      this.#counts[bucket] = 0
      this.#isTouched[bucket] = 0
    }
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let at = 0; at < values.length; at++) values[at]! *= scale
    this.#size = 0
    return { buckets, values }
  }
}

const logarithms = Float32Array.from({ length: 64 }, (_, count) => Math.log1p(count))

function damped(count: number): number {
  const size = count < 0 ? -count : count
  const value = size < 64 ? logarithms[size]! : Math.log1p(size)
  return count < 0 ? -value : value
}

/** The last step of MurmurHash3: every bit of the hash decides the bucket. */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
