import { createHash } from 'node:crypto'
import type { RouterOptions } from '../config/options.ts'

/** What of a configuration takes part in decisions, besides its routes and plugins. */
const deciding = ['models', 'budgets', 'breaker', 'health', 'unknownPrice', 'untranslatable'] as const

/** What says how a model is reached, and decides nothing. Most of it is secret. */
const connecting: ReadonlySet<string> = new Set(['apiKey', 'headers', 'dispatcher', 'baseUrl', 'timeouts'])

const digits = 16

/**
 * Names the policy of a configuration: the same text for the same models, routes and plugins, whatever their order in the
 * file and whatever keys they are reached with. A function counts by its source, a plugin by its name and version.
 */
export function policyOf(options: RouterOptions): string {
  const { routes = {}, plugins } = options
  const parts = {
    ...Object.fromEntries(deciding.map((key) => [key, options[key]])),
    routes: Object.fromEntries(
      Object.entries(routes).map(([name, route]) => [name, { ...route, plugins: namesOf(route.plugins) }]),
    ),
    plugins: namesOf(plugins),
  }
  return createHash('sha256').update(canonical(parts, new Set())).digest('hex').slice(0, digits)
}

const namesOf = (plugins: RouterOptions['plugins']) =>
  plugins ? plugins.map(({ name, version }) => ({ name, version })) : []

function canonical(value: unknown, inside: ReadonlySet<unknown>): string {
  if (typeof value === 'function') return JSON.stringify(Function.prototype.toString.call(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (inside.has(value)) return '"circular"'
  const within = new Set([...inside, value])
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, within)).join(',')}]`
  const entries = Object.entries(value).filter(([key, one]) => one !== undefined && !connecting.has(key))
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${sorted.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one, within)}`).join(',')}}`
}
