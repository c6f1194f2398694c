/**
 * Parses JSON.
 *
 * @throws SyntaxError with line and column, and without the text around them, which may be a secret
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const at = faultAt(text)
    const before = text.slice(0, at).split('\n')
    const where = `line ${before.length}, column ${before.at(-1)!.length + 1}`
    throw new SyntaxError(`${faultOf(error as Error, text[at])} at ${where}`)
  }
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
