import { fileURLToPath } from 'node:url'

/** The line of a stack's first frame in a file, or of what Node writes above the stack of an error of syntax. */
const place = /^(?:\s+at .*?)?\(?(file:\/\/[^\s)]+?|\/[^\s:)]+|[A-Z]:\\[^:)]+?):(\d+)(?::\d+)?\)?$/m

/**
 * What an error of a module says, and the line that it came from: Node tells it in the stack alone, and of some errors of
 * syntax not at all.
 *
 * @param path the file that was imported: another one is named
 */
export function placedMessage(error: unknown, path: string): string {
  if (!(error instanceof Error)) return String(error)
  const [, found, line] = place.exec(error.stack ?? '') ?? []
  if (found === undefined) return error.message
  const file = found.startsWith('file:') ? fileURLToPath(found) : found
  return `${error.message} at ${file === path ? '' : `${file}, `}line ${line}`
}
