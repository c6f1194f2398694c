import { windowOf } from '../../packages/classifier/src/features/window.ts'

/** The number of characters, the simplest rule there is. */
export const length = (prompt: string) => prompt.length

const hard = ['analyze', 'compare', 'design', 'architect', 'optimize', 'debug']
const easy = ['what', 'when', 'where', 'simple', 'quick', 'list']

/** The rule of the founding articles: points for words, code, sums and keywords. */
export function articleScore(prompt: string): number {
  const text = prompt.toLowerCase()
  const words = prompt.split(/\s+/).filter(Boolean).length
  let score = (words > 100 ? 1 : 0) + (words > 300 ? 2 : 0)
  if (/```|\bfunction\b|\bclass\b|\bdef\b/.test(prompt)) score += 2
  if (/\d\s?[+\-*/=]\s?\d/.test(prompt)) score += 1
  for (const word of hard) if (text.includes(word)) score += 2
  for (const word of easy) if (text.includes(word)) score -= 1
  return score
}

/** The second rule of the articles: long, technical or code. */
export function technicalScore(prompt: string): number {
  const text = prompt.toLowerCase()
  const words = prompt.split(/\s+/).filter(Boolean).length
  const isTechnical = ['algorithm', 'architecture', 'optimize', 'performance'].some((word) => text.includes(word))
  const isCode = prompt.includes('```') || prompt.includes('def ') || prompt.includes('class ')
  return words > 500 || isTechnical ? 2 : words > 100 || isCode ? 1 : 0
}

/** The nearest prompts of training, by the cosine of their words weighted by rarity (tf-idf). */
export class Neighbours {
  readonly #postings = new Map<string, [at: number, weight: number][]>()
  readonly #rarity = new Map<string, number>()
  readonly #count: number

  constructor(prompts: readonly string[]) {
    this.#count = prompts.length
    const bags = prompts.map(bagOf)
    for (const bag of bags) for (const word of bag.keys()) this.#rarity.set(word, (this.#rarity.get(word) ?? 0) + 1)
    const frequent = prompts.length * 0.2
    for (const [word, found] of this.#rarity)
      this.#rarity.set(word, found > frequent ? 0 : Math.log((prompts.length + 1) / (found + 1)))
    bags.forEach((bag, at) => {
      for (const [word, weight] of this.#weights(bag)) {
        if (weight === 0) continue
        const postings = this.#postings.get(word)
        if (postings) postings.push([at, weight])
        else this.#postings.set(word, [[at, weight]])
      }
    })
  }

  /** The mean of what is known of the nearest prompts, the nearer the heavier. */
  mean(prompt: string, known: ArrayLike<number>, nearest: number): number {
    const likeness = new Float64Array(this.#count)
    for (const [word, weight] of this.#weights(bagOf(prompt))) {
      for (const [at, other] of this.#postings.get(word) ?? []) likeness[at]! += weight * other
    }
    const order = Array.from(likeness, (value, at) => [value, at] as const)
      .filter(([value]) => value > 0)
      .toSorted((a, b) => b[0] - a[0])
      .slice(0, nearest)
    let sum = 0
    let weights = 1e-6
    for (const [value, at] of order) {
      const weight = value * value + 1e-4
      sum += weight * known[at]!
      weights += weight
    }
    return sum / weights
  }

  #weights(bag: ReadonlyMap<string, number>): [string, number][] {
    const weighted = [...bag].map(([word, count]): [string, number] => [
      word,
      Math.log1p(count) * (this.#rarity.get(word) ?? 0),
    ])
    const size = Math.sqrt(weighted.reduce((sum, [, weight]) => sum + weight * weight, 0)) || 1
    return weighted.map(([word, weight]) => [word, weight / size])
  }
}

function bagOf(prompt: string): Map<string, number> {
  const bag = new Map<string, number>()
  const words = windowOf(prompt).text.match(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}]/gu) ?? []
  words.forEach((word, at) => {
    bag.set(word, (bag.get(word) ?? 0) + 1)
    if (at > 0) bag.set(`${words[at - 1]} ${word}`, (bag.get(`${words[at - 1]} ${word}`) ?? 0) + 1)
  })
  return bag
}
