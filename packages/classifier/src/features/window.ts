import { kindOf, kinds } from './characters.ts'

const headLength = 4500
const tailLength = 1500
/** Of a longer text so much of each end is looked at, white space included, and the rest is taken to be alike. */
const mostLookedAt = 50_000

/** The part of a text that is read, in lower case, and how long the whole is in characters that are not white space. */
export interface Window {
  readonly text: string
  readonly length: number
}

/**
 * The beginning and the end of a text: a question stands at one of them. Runs of white space count as one character, so
 * that the same words are read however they are set (where an end is not mostly white space). The time has a bound,
 * whatever the length of the text.
 */
export function windowOf(text: string): Window {
  const length = visibleLength(text)
  if (text.length <= headLength + tailLength) return { text: text.toLowerCase(), length }
  const head = walk(text, 0, 1, headLength)
  const tail = walk(text, text.length - 1, -1, tailLength)
  if (head >= tail) return { text: text.toLowerCase(), length }
  return { text: `${text.slice(0, head)}\n${text.slice(tail + 1)}`.toLowerCase(), length }
}

function visibleLength(text: string): number {
  if (text.length <= 2 * mostLookedAt) return countVisible(text, 0, text.length)
  const looked = countVisible(text, 0, mostLookedAt) + countVisible(text, text.length - mostLookedAt, text.length)
  return Math.round((looked / (2 * mostLookedAt)) * text.length)
}

function countVisible(text: string, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at++) if (kindOf(text.charCodeAt(at)) !== kinds.space) count++
  return count
}

/** Where one comes to after so many characters, a run of white space being one, and one at an edge none. */
function walk(text: string, from: number, step: 1 | -1, most: number): number {
  let left = most
  let spaceBefore = true
  let at = from
  for (let looked = 0; left > 0 && looked < mostLookedAt && at >= 0 && at < text.length; at += step, looked++) {
    const isSpace = kindOf(text.charCodeAt(at)) === kinds.space
    if (!isSpace || !spaceBefore) left--
    spaceBefore = isSpace
  }
  return at
}
