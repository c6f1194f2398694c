import type { Detector } from './detect.ts'

/** A detector, ready to search. */
export interface Search {
  readonly label: string
  /** Shows where in a text something stands, from its first character up to the one behind it, and how it reads. */
  each(text: string, show: Show): void
}

type Show = (start: number, end: number, read: string) => void

/** A group of letters or digits, with what stands before and behind it. */
const firstGroup = /^[^\p{L}\p{N}]*[\p{L}\p{N}]+[^\p{L}\p{N}]*/u

/** Whether a letter or a digit stands there. A text full of digits asks for it hundreds of times for each of them. */
function isInGroup(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  if (code < 0x80) return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
  return /[\p{L}\p{N}]/u.test(text[at]!)
}

/** Makes a detector ready to search. Its pattern stays as it is: what searches moves a copy. */
export function searchFor({ label, pattern, isOne, mayHold = false }: Detector): Search {
  const flags = pattern.flags.replaceAll(/[gy]/g, '')
  const next = new RegExp(pattern.source, `${flags}g`)
  const whole = new RegExp(`^(?:${pattern.source})$`, flags)

  /** How much of the beginning of a match is one: as much as possible, in whole groups. */
  function lengthOf(match: string): number {
    if (!isOne || isOne(match)) return match.length
    if (!mayHold) return 0
    for (let end = match.length - 1; end > 0; end--) {
      if (isInGroup(match, end) || !isInGroup(match, end - 1)) continue
      const begun = match.slice(0, end)
      if (isOne(begun) && whole.test(begun)) return end
    }
    return 0
  }

  function each(text: string, show: Show): void {
    // What follows one that was found is looked at as if nothing stood in front of it.
    let [rest, at, passed] = [text, 0, 0]
    while (at < rest.length) {
      next.lastIndex = at
      const { 0: match, index } = next.exec(rest) ?? {}
      if (match === undefined || index === undefined) return
      const length = lengthOf(match)
      if (length === 0) {
        at = index + (step(match) || 1)
        continue
      }
      show(passed + index, passed + index + length, match.slice(0, length))
      passed += index + length
      rest = rest.slice(index + length)
      at = 0
    }
  }

  return { label, each: (text, show) => eachUnescaped(text, each, show) }

  /** How much of a match that is none is passed over. */
  function step(match: string): number {
    return mayHold ? (firstGroup.exec(match)?.[0].length ?? 0) : match.length
  }
}

/** A character as JSON writes it in a text, which may itself stand in another one: `\n`, `\u00fc`, `\\n`. */
const escapes = /(?<!\\)\\+(?:u([\da-fA-F]{4})|[bfnrt])/g

/** Searches a text as it reads: what tools are given and give is often JSON, whose escapes end in letters and digits. */
function eachUnescaped(text: string, each: Search['each'], show: Show): void {
  const found = text.includes('\\') ? [...text.matchAll(escapes)] : []
  if (found.length === 0) return each(text, show)
  let [passed, longer] = [0, 0]
  const placeOf = (at: number): number => {
    for (; passed < found.length && found[passed]!.index - longer < at; passed++) longer += found[passed]![0].length - 1
    return at + longer
  }
  const read = text.replaceAll(escapes, (_escape, code?: string) =>
    code === undefined ? '\n' : String.fromCharCode(Number.parseInt(code, 16)),
  )
  each(read, (start, end, match) => show(placeOf(start), placeOf(end), match))
}
