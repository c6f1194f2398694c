import { kinds } from './characters.ts'
import { hashOf } from './hash.ts'

/** A Chinese or Japanese word is a little under two characters long. */
const wordsPerIdeograph = 0.6

/** What is counted in a text while its tokens are read. */
export class Tally {
  characters = 0
  digits = 0
  wide = 0
  ideographs = 0
  marks = 0
  words = 0
  wordCharacters = 0
  longestWord = 0
  numbers = 0
  /** Words of programming languages, such as `return`. */
  codeWords = 0
  codeMarks = 0
  mathMarks = 0
  questions = 0
  negations = 0
  /** Gaps to fill in: `___`. */
  blanks = 0
  quotes = 0
  commas = 0
  stops = 0
  /** How many options of a list `A. ... B. ... C. ...` were seen in their order. */
  options = 0
  #lastLetter = 0

  character(code: number, kind: number): void {
    this.characters++
    if (code > 127) this.wide++
    if (kind === kinds.digit) this.digits++
  }

  number(length: number): void {
    this.words++
    this.numbers++
    this.#measure(length)
    this.#lastLetter = 0
  }

  word(hash: number, first: number, length: number): void {
    this.words++
    this.#measure(length)
    if (codeWords.has(hash)) this.codeWords++
    if (negations.has(hash)) this.negations++
    if (first === 95) this.blanks++
    this.#lastLetter = length === 1 ? first : 0
  }

  mark(code: number, kind: number): void {
    if (kind === kinds.ideograph) {
      this.ideographs++
      this.words += wordsPerIdeograph
      return
    }
    this.marks++
    const field = markFields.get(code)
    if (field) this[field]++
    if ((code === 46 || code === 41) && this.#lastLetter === 97 + this.options) this.options++
    this.#lastLetter = 0
  }

  #measure(length: number): void {
    this.wordCharacters += length
    if (length > this.longestWord) this.longestWord = length
  }
}

const fields = {
  questions: '?？',
  mathMarks: '\\$^',
  codeMarks: '{};[]',
  quotes: '"\'',
  commas: ',，、',
  stops: '.。',
} as const

const markFields = new Map(
  Object.entries(fields).flatMap(([field, marks]) =>
    Array.from(marks, (mark) => [mark.charCodeAt(0), field as keyof typeof fields] as const),
  ),
)

const hashes = (words: string) => new Set(words.split(' ').map((word) => hashOf(word)))

const codeWords = hashes(
  'def return class function import const var int void print assert elif lambda public static null none',
)
const negations = hashes('not except least incorrect false never')
