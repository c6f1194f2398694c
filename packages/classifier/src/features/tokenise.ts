import { kindOf, kinds } from './characters.ts'
import { hashOf, seed, step } from './hash.ts'
import { Tally } from './tally.ts'

/** Takes the hash of every feature that is found. */
export interface TokenHandler {
  add(hash: number): void
}

const gramLength = 5
/** So that a word, a pair and a gram of the same characters are three features. */
const salts = { word: 0x1111, pair: 0x2222, gram: 0x3333 } as const

/** Hands the features of a text in lower case to the handler, in one pass, and gives what was counted on the way. */
export function tokenise(text: string, handler: TokenHandler): Tally {
  const tally = new Tally()
  let previous = 0
  const token = (hash: number) => {
    handler.add(hash ^ salts.word)
    if (previous !== 0) handler.add(Math.imul(previous, 31) ^ hash ^ salts.pair)
    previous = hash
  }
  let start = -1
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 32
    const kind = kindOf(code)
    if (kind === kinds.letter || kind === kinds.digit) {
      if (start < 0) start = at
      tally.character(code, kind)
      continue
    }
    if (start >= 0) {
      token(word(text, start, at, tally))
      if (kindOf(text.charCodeAt(start)) !== kinds.digit) grams(text, start, at, handler)
      start = -1
    }
    if (kind === kinds.space) continue
    tally.character(code, kind)
    tally.mark(code, kind)
    token(step(seed, code))
  }
  return tally
}

/** The hash of a word. A number counts by how many digits it has, not by its value. */
function word(text: string, start: number, end: number, tally: Tally): number {
  const first = text.charCodeAt(start)
  if (kindOf(first) === kinds.digit) {
    tally.number(end - start)
    return step(seed, 0x10000 + Math.min(end - start, 20))
  }
  const hash = hashOf(text, start, end)
  tally.word(hash, first, end - start)
  return hash
}

function grams(text: string, start: number, end: number, handler: TokenHandler): void {
  for (let at = start; at + gramLength <= end; at++) handler.add(hashOf(text, at, at + gramLength) ^ salts.gram)
}
