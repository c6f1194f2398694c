/**
 * Parses JSON. Of two values under one key it takes neither: the one above would be lost without a word.
 *
 * @throws SyntaxError with line and column, and without the text around them, which may be a secret
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const at = faultAt(text)
    throw new SyntaxError(`${faultOf(error as Error, text[at])} at ${placeOf(text, at)}`)
  }
  const again = repeatedKeyAt(text)
  if (again !== undefined) throw new SyntaxError(`Keys must be unique at ${placeOf(text, again)}`)
  return value
}

function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split('\n')
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`
}

/** A text, and whether it is a key; or where an object or a list begins or ends. */
const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]]/g

/** Where the first key of JSON without fault stands that its object has already. */
function repeatedKeyAt(text: string): number | undefined {
  const open: Set<unknown>[] = []
  for (const { 0: token, 1: quoted, 2: colon, index } of text.matchAll(tokens)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (quoted === undefined) open.pop()
    else if (colon !== undefined) {
      const key: unknown = JSON.parse(quoted)
      if (open.at(-1)!.has(key)) return index
      open.at(-1)!.add(key)
    }
  }
  return undefined
}

const position = /^(.+?)(?: in JSON)? at position (\d+)/

function faultOf({ message }: Error, found: string | undefined): string {
  if (found === undefined) return 'The JSON ends too soon'
  return position.exec(message)?.[1] ?? `Unexpected ${JSON.stringify(found)}`
}

/** A character that no JSON text may hold. */
const foreign = '\u0001'

/** Where a text stops being the beginning of any JSON. V8 says so for some faults only; for others it is searched for. */
function faultAt(text: string): number {
  let good = 0
  let bad = text.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (mayBecomeJson(text.slice(0, middle))) good = middle
    else bad = middle
  }
  return good
}

/** Whether a foreign character at its end is the first thing wrong with a text. */
function mayBecomeJson(text: string): boolean {
  try {
    JSON.parse(text + foreign)
    return false
  } catch (error) {
    const { message } = error as Error
    return message.startsWith(`Unexpected token '${foreign}'`) || Number(position.exec(message)?.[2]) === text.length
  }
}
