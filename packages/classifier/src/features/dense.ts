import type { Tally } from './tally.ts'

/** What is known of a prompt besides its text. */
interface Surroundings {
  /** Characters that are not white space, in the whole text. */
  readonly length: number
  readonly tools: number
  readonly turns: number
}

/** A Chinese character says as much as about three letters. */
const charactersPerIdeograph = 3

/** The dense features: script, length, code, maths, the form of the question, history and tools. All bounded. */
export function denseOf(tally: Tally, { length, tools, turns }: Surroundings): Float32Array {
  const characters = tally.characters || 1
  const words = tally.words || 1
  return Float32Array.of(
    Math.log1p(length * (1 + (tally.ideographs / characters) * (charactersPerIdeograph - 1))),
    Math.log(words),
    Math.min(2, tally.wordCharacters / words / 10),
    (tally.digits / characters) * 10,
    (tally.wide / characters) * 10,
    tally.ideographs / characters,
    (tally.marks / characters) * 10,
    Math.min(1.5, tally.options / 10),
    tally.options > 4 ? 1 : 0,
    tally.options > 2 ? 1 : 0,
    Math.min(1, tally.codeWords / 3),
    Math.min(1, tally.codeMarks / 10),
    Math.min(1.5, tally.mathMarks / 10),
    Math.min(1, tally.questions / 3),
    Math.min(1, tally.negations / 2),
    Math.log1p(tally.numbers) / 3,
    Math.min(1, tally.longestWord / 20),
    Math.min(2, tools / 5) || 0,
    tools > 0 ? 1 : 0,
    Math.min(1, tally.blanks / 2),
    Math.min(1, tally.quotes / 6),
    Math.log1p(tally.commas) / 3,
    Math.log1p(tally.stops) / 3,
    Math.log1p(Math.max(0, turns || 0)) / 3,
  )
}

/** How many dense features there are. */
export const denseCount = 24
