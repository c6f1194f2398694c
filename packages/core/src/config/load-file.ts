import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SignalboxError } from '../errors.ts'
import { placedMessage } from './error-place.ts'
import { parseJson } from './load-json.ts'
import { parseYaml } from './load-yaml.ts'

/** What stands in a configuration file. */
export interface ConfigFile {
  readonly value: unknown
  /** Whether it came from a module, where functions and objects may stand. */
  readonly isModule: boolean
}

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  '.json': parseJson,
  '.yaml': parseYaml,
  '.yml': parseYaml,
}
const modules: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs'])

/**
 * Reads a configuration file by its extension.
 *
 * @param name what the file is called in errors
 * @throws SignalboxError `invalid_config`, with line and column where the text cannot be read
 */
export async function readConfigFile(path: string, name: string): Promise<ConfigFile> {
  const extension = extname(path)
  const parse = parsers[extension]
  if (!parse && !modules.has(extension)) {
    const known = [...Object.keys(parsers), ...modules].join(', ')
    throw unreadable(name, `expected a file that ends in one of ${known}`)
  }
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unreadable(name, reasonOf(cause), cause)
  })
  if (!parse) return { value: await importDefault(path, name), isModule: true }
  try {
    return { value: await parse(text.replace(/^\uFEFF/, '')), isModule: false }
  } catch (cause) {
    throw unreadable(name, messageOf(cause), cause)
  }
}

async function importDefault(path: string, name: string): Promise<unknown> {
  const module = await (import(pathToFileURL(path).href) as Promise<object>).catch((cause: unknown) => {
    throw unreadable(name, placedMessage(cause, path), cause)
  })
  if ('default' in module) return module.default
  throw unreadable(name, 'expected the configuration as its default export')
}

function unreadable(name: string, reason: string, cause?: unknown): SignalboxError {
  return new SignalboxError('invalid_config', `The configuration ${name} cannot be read: ${reason}`, { cause })
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown }
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EISDIR') return 'it is a folder'
  if (code === 'EACCES') return 'this user may not read it'
  return messageOf(error)
}
