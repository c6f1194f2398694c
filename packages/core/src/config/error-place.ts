import { fileURLToPath } from 'node:url'

/**
 * What an error of a module says, and the line that it came from: Node tells it in the stack alone, and of some errors of
 * syntax not at all.
 *
 * @param path the file that was imported: another one is named
 */
export function placedMessage(error: unknown, path?: string): string {
  if (!(error instanceof Error)) return String(error)
  const [, url, line] = /^(?:\s+at .*?)?\(?(file:\/\/[^\s)]+?):(\d+)(?::\d+)?\)?$/m.exec(error.stack ?? '') ?? []
  if (url === undefined) return error.message
  const file = fileURLToPath(url)
  return `${error.message} at ${file === path ? '' : `${file}, `}line ${line}`
}
