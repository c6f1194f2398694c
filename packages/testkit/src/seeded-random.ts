/**
 * A random source that gives the same numbers for the same seed: sfc32, uniform in [0, 1), 32 bits a number.
 * Not for secrets.
 *
 * @param seed any number; its low 32 bits count.
 * @example
 * const random = seededRandom(7)
 * const delayMs = 100 + random() * 50
 */
export function seededRandom(seed: number): () => number {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1
  const random = () => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 0x1_0000_0000
  }
  for (let round = 0; round < 15; round += 1) random()
  return random
}
