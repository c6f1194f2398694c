import { kindOf, kinds } from './characters.ts'

const headLength = 4500
const tailLength = 1500

/** The part of a text that is read, in lower case, and how long the whole is in characters that are not white space. */
export interface Window {
  readonly text: string
  readonly length: number
}

/**
 * The beginning and the end of a text: a question stands at one of them. Runs of white space count as one character, so
 * that the same words are read however they are set. Linear in the length of the text, which may be any.
 */
export function windowOf(text: string): Window {
  const length = countVisible(text)
  if (text.length <= headLength + tailLength) return { text: text.toLowerCase(), length }
  const head = walk(text, 0, 1, headLength)
  const tail = walk(text, text.length - 1, -1, tailLength)
  if (head >= tail) return { text: text.toLowerCase(), length }
  return { text: `${text.slice(0, head)}\n${text.slice(tail + 1)}`.toLowerCase(), length }
}

function countVisible(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) if (kindOf(text.charCodeAt(at)) !== kinds.space) count++
  return count
}

/** Where one comes to after so many characters, a run of white space being one, and one at an edge none. */
function walk(text: string, from: number, step: 1 | -1, most: number): number {
  let left = most
  let spaceBefore = true
  let at = from
  for (; left > 0 && at >= 0 && at < text.length; at += step) {
    const isSpace = kindOf(text.charCodeAt(at)) === kinds.space
    if (!isSpace || !spaceBefore) left--
    spaceBefore = isSpace
  }
  return at
}
