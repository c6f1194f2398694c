import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from '../plugin.ts'
import type { ConfigFault } from './fault.ts'

/** A configuration with its plugins in the place of their names. */
export interface PluginReading {
  readonly value: unknown
  readonly faults: readonly ConfigFault[]
}

type Named = string | { readonly use: string; readonly options?: unknown }
type Make = (options?: unknown) => Plugin

/**
 * Loads the plugins that a configuration names, at its top and on its routes: modules whose default export is a plugin, or
 * a function that makes one of its options. Packages are looked for from `folder`.
 */
export async function loadPlugins(config: unknown, folder: string): Promise<PluginReading> {
  if (!isRecord(config)) return { value: config, faults: [] }
  const faults: ConfigFault[] = []
  const from = createRequire(join(folder, 'signalbox.json'))
  const withPlugins = async (holder: object, path: string): Promise<object> => {
    const { plugins } = holder as { plugins?: unknown }
    if (!Array.isArray(plugins)) return holder
    const loaded = plugins.map((given: unknown, index) =>
      isNamed(given) ? load(given, from).catch((error: unknown) => failed(`${path}plugins[${index}]`, error)) : given,
    )
    return { ...holder, plugins: (await Promise.all(loaded)).filter((plugin) => plugin !== undefined) }
  }
  const failed = (path: string, error: unknown) =>
    void faults.push({ path, message: error instanceof Error ? error.message : String(error) })

  const value = (await withPlugins(config, '')) as Record<string, unknown>
  const { routes } = value
  if (!isRecord(routes)) return { value, faults }
  const loadedRoutes = Object.entries(routes).map(
    async ([name, route]) => [name, isRecord(route) ? await withPlugins(route, `routes.${name}.`) : route] as const,
  )
  return { value: { ...value, routes: Object.fromEntries(await Promise.all(loadedRoutes)) }, faults }
}

async function load(named: Named, from: NodeJS.Require): Promise<Plugin> {
  const { use, options } = typeof named === 'string' ? { use: named, options: undefined } : named
  const { default: made } = (await importFrom(use, from)) as { default?: Plugin | Make }
  if (typeof made === 'function') return made(options)
  if (!isRecord(made))
    throw new Error(`expected a plugin, or a function that makes one, as the default export of ${JSON.stringify(use)}`)
  if (options !== undefined) throw new Error(`the plugin ${JSON.stringify(use)} takes no options`)
  return made
}

async function importFrom(use: string, from: NodeJS.Require): Promise<unknown> {
  try {
    return await import(isAbsolute(use) ? pathToFileURL(use).href : locate(use, from))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`the plugin ${JSON.stringify(use)} cannot be loaded: ${why}`, { cause })
  }
}

/** A package beside the configuration; else one that the program sees (the command `signalbox`), or Signalbox itself. */
function locate(use: string, from: NodeJS.Require): string {
  const { 1: program } = process.argv
  for (const requirer of [from, ...(program === undefined ? [] : [createRequire(resolve(program))])]) {
    try {
      return pathToFileURL(requirer.resolve(use)).href
    } catch {
      // It is not there: the next one may know it.
    }
  }
  return use
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isNamed = (value: unknown): value is Named =>
  typeof value === 'string' || (isRecord(value) && typeof value['use'] === 'string')
