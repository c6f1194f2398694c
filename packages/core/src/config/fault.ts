import { SignalboxError } from '../errors.ts'

/** A fault of a configuration: where, and what was expected and came. */
export interface ConfigFault {
  readonly path: string
  readonly message: string
}

/** Where something stands. */
export type Path = readonly PropertyKey[]

/** One `invalid_config` error for all the faults. */
export function configError(faults: readonly ConfigFault[], subject = 'The configuration'): SignalboxError {
  const lines = faults.map(({ path, message }) => `  ${path || '(top)'}: ${message}`)
  const head = faults.length === 1 ? `${subject} has a fault:` : `${subject} has ${faults.length} faults:`
  return new SignalboxError('invalid_config', [head, ...lines].join('\n'))
}

/** The same faults further in. */
export function faultsBelow(place: string, faults: readonly ConfigFault[]): ConfigFault[] {
  return faults.map(({ path, message }) => ({ path: path ? `${place}.${path}` : place, message }))
}

/** A fault at a path below `root`, with what stands there. */
export function faultAt(path: Path, message: string, root: unknown): ConfigFault {
  return { path: dotted(path), message: `${plain(message)}, got ${shown(path, valueAt(root, path))}` }
}

/** A schema's message without what came, as zod, valibot and arktype put it: that may be a secret. */
export const plain = (message: string) =>
  message
    .replace(/^Invalid (?:input|option): |^Too (?:small|big): /, '')
    .replace(/^Unrecognized (keys?): /, 'expected no $1 ')
    .replaceAll('"|"', '", "')
    .replace(/(?:,| but) received .*$|\s*\(was .*\)$/s, '')

/** A path as faults show it. */
export function dotted(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    const name = String(key)
    if (!printable.test(name)) return `${text}[${JSON.stringify(name)}]`
    return text ? `${text}.${name}` : name
  }, '')
}

const printable = /^[\x20-\x7e]+$/

/** What stands at a path. */
export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  )
}

const secretKeys = new Set(['apiKey', 'headers', 'key', 'keys', 'sha256', 'authorization'])
/** A URL may hold a password before its host, and a key in its query. */
const secretUrl = /[@?]/

/** A value as faults show it: short, and no secret. */
export function shown(path: Path, value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return kindOf(value)
  const isSecret =
    path.some((key) => secretKeys.has(String(key))) || (path.at(-1) === 'baseUrl' && secretUrl.test(String(value)))
  if (isSecret) return `${kindOf(value)} (not shown)`
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
