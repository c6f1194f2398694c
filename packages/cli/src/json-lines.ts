import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/**
 * The values of a file of JSON lines; empty lines are passed over.
 *
 * @throws Error for a file that can't be read, or a line that is no JSON, which it names
 */
export async function* jsonLines(file: string): AsyncGenerator<unknown, void, undefined> {
  let number = 0
  for await (const line of createInterface({ input: createReadStream(file) })) {
    number++
    if (line.trim() === '') continue
    try {
      yield JSON.parse(line) as unknown
    } catch (error) {
      throw new Error(`${file}, line ${number}: ${(error as Error).message}`, { cause: error })
    }
  }
}
