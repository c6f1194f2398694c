import { type ConfigFault, dotted } from './fault.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A configuration with its environment variables in place. */
export interface EnvironmentReading {
  readonly value: unknown
  /** One for each variable that is not set. */
  readonly faults: readonly ConfigFault[]
  /** The same fault without the value of any variable. */
  hide(fault: ConfigFault): ConfigFault
}

type Path = readonly PropertyKey[]

interface Use {
  readonly path: string
  readonly name: string
  readonly value: string
}

const reference = /^\$([A-Za-z_]\w*)$/
/** As shells and other tools write it: taken for the text that it is, it would go out as a key. */
const braced = /^\$\{([A-Za-z_]\w*)\}$/
const escaped = /^\$(\$+(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}))$/

/** Replaces every string that is exactly `$NAME`, and takes one `$` off every `$$NAME`. What is not data stays as it is. */
export function readEnvironment(written: unknown, env: Environment): EnvironmentReading {
  const uses: Use[] = []
  const faults: ConfigFault[] = []

  function read(text: string, path: Path): string {
    const [, inBraces] = braced.exec(text) ?? []
    if (inBraces !== undefined)
      faults.push({ path: dotted(path), message: `expected $${inBraces}, got \${${inBraces}}` })
    const name = reference.exec(text)?.[1]
    if (name === undefined) return escaped.exec(text)?.[1] ?? text
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (value === undefined) faults.push({ path: dotted(path), message: `the environment variable ${name} is not set` })
    else uses.push({ path: dotted(path), name, value })
    return value ?? text
  }

  return {
    value: replaceStrings(written, read),
    faults,
    hide({ path, message }) {
      const own = uses.filter((use) => use.path === path)
      const hidden = [...own, ...uses].reduce(withoutValue, message)
      return { path, message: own.length > 0 ? `${hidden} (its value is not shown)` : hidden }
    },
  }
}

function withoutValue(message: string, { name, value }: Use): string {
  return value === '' ? message : message.replaceAll(JSON.stringify(value), () => JSON.stringify(`$${name}`))
}

/** Copies only what changes, so that objects of a module keep their identity. */
function replaceStrings(
  value: unknown,
  replace: (text: string, path: Path) => string,
  path: Path = [],
  above: readonly object[] = [],
): unknown {
  if (typeof value === 'string') return replace(value, path)
  if (!isData(value) || above.includes(value)) return value
  const inside = (key: PropertyKey, item: unknown) => replaceStrings(item, replace, [...path, key], [...above, value])
  if (Array.isArray(value)) {
    const items = value.map((item, index) => inside(index, item))
    return items.every((item, index) => item === value[index]) ? value : items
  }
  const entries = Object.entries(value).map(([key, item]) => [key, inside(key, item), item] as const)
  return entries.every(([, now, before]) => now === before) ? value : Object.fromEntries(entries)
}

function isData(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}
