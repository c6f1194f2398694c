import { createReadStream } from 'node:fs'
import { SignalboxError } from '@signalbox/core'

/** A value of a file, and the line it stands in, as errors name that. */
export interface JsonLine {
  readonly value: unknown
  readonly where: string
}

/** In characters. V8 holds no text of five times that. */
const longestLine = 100_000_000

/**
 * The values of a file of JSON lines; empty lines and byte order marks are passed over.
 *
 * @throws SignalboxError `invalid_config` for a line that is no JSON, or too long for one, which it names, and for a file
 * that can't be read
 */
export async function* jsonLines(file: string): AsyncGenerator<JsonLine, void, undefined> {
  let number = 0
  for await (const line of linesOf(file)) {
    const where = `${file}, line ${++number}`
    const text = line.trim()
    if (text === '') continue
    try {
      yield { value: JSON.parse(text) as unknown, where }
    } catch (cause) {
      throw new SignalboxError('invalid_config', `${where}: ${(cause as Error).message}`, { cause })
    }
  }
}

/** Node's own `readline` ends a line at U+2028 and U+2029 too, which may stand inside of a JSON string. */
async function* linesOf(file: string): AsyncGenerator<string, void, undefined> {
  let begun: string[] = []
  let length = 0
  let number = 1
  for await (const text of textOf(file)) {
    const [first, ...others] = text.split('\n')
    begun.push(first!)
    length += first!.length
    if (length > longestLine)
      throw new SignalboxError(
        'invalid_config',
        `${file}, line ${number}: expected ${longestLine} characters at the most`,
      )
    for (const line of others) {
      yield begun.join('')
      begun = [line]
      length = line.length
      number++
    }
  }
  yield begun.join('')
}

async function* textOf(file: string): AsyncGenerator<string, void, undefined> {
  try {
    for await (const text of createReadStream(file, 'utf8')) yield text as string
  } catch (cause) {
    throw new SignalboxError('invalid_config', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
