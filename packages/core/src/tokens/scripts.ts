/** A UTF-16 code unit that is part of a Latin word though it is not ASCII. */
export const isAccented = (unit: number): boolean => (unit >= 0xc0 && unit < 0x300) || (unit >= 0x1e00 && unit < 0x1f00)

/** Tokens that one UTF-16 code unit outside ASCII and the Latin words costs, by its script. */
export function tokensPerUnit(unit: number): number {
  if (unit >= 0xd800 && unit < 0xe000) return unit >= 0xd83c && unit <= 0xd83e ? emoji : rareHalf
  return byPage[unit >> 6]!
}

/** An emoji is a pair of surrogates of which the first says so; other pairs are rare, and cost by both. */
const emoji = 0
const rareHalf = 1.8

/**
 * Calibrated on translated program messages against o200k. Each script goes on to the next; one starts at a multiple
 * of 64. What is rare is at the price of its UTF-8 bytes, nearly.
 */
const scripts: readonly (readonly [from: number, tokens: number])[] = [
  [0x0000, 1], // signs: quotes, dashes, degrees
  [0x0300, 1.2], // combining marks
  [0x0380, 0.42], // Greek
  [0x0400, 0.27], // Cyrillic
  [0x0540, 0.42], // Armenian
  [0x0580, 0.45], // Hebrew
  [0x0600, 0.37], // Arabic
  [0x0700, 1.5],
  [0x0900, 0.36], // the scripts of India
  [0x0e00, 0.42], // Thai
  [0x0e80, 0.6], // Lao, Tibetan, Burmese
  [0x10c0, 0.42], // Georgian
  [0x1100, 1], // Hangul letters
  [0x1200, 1.5],
  [0x1780, 0.6], // Khmer
  [0x1800, 1.5],
  [0x1f00, 0.42], // Greek with accents
  [0x2000, 1], // signs
  [0x2e80, 1.5],
  [0x3000, 0.6], // Chinese punctuation
  [0x3040, 0.7], // kana
  [0x3100, 1.5],
  [0x4e00, 0.82], // Chinese characters
  [0xa000, 1.5],
  [0xac00, 0.66], // Hangul
  [0xd7c0, 1.5],
  [0xff00, 0.6], // full-width forms
]

const byPage = pages()

function pages(): Float64Array {
  const perPage = new Float64Array(1024)
  for (const [from, tokens] of scripts) perPage.fill(tokens, from >> 6)
  return perPage
}
