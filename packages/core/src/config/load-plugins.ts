import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isSignalboxError } from '../errors.ts'
import type { Plugin } from '../plugin.ts'
import { pluginFaults } from '../hooks/plugin-checks.ts'
import { type ConfigFault, faultsBelow, shown } from './fault.ts'

/** A configuration with its plugins in the place of their names. */
export interface PluginReading {
  readonly value: unknown
  readonly faults: readonly ConfigFault[]
}

type Named = string | { readonly use: string; readonly options?: unknown }
type Make = (options?: unknown) => Plugin | Promise<Plugin>

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
    const loaded = plugins.map(async (given: unknown, index) => {
      const place = `${path}plugins[${index}]`
      try {
        return isNamed(given) ? checked(await load(given, from), place) : given
      } catch (error) {
        return void faults.push({ path: place, message: reasonOf(error) })
      }
    })
    return { ...holder, plugins: (await Promise.all(loaded)).filter((plugin) => plugin !== undefined) }
  }
  const checked = (plugin: Plugin, place: string): Plugin | undefined => {
    const wrong = faultsBelow(place, pluginFaults(plugin))
    faults.push(...wrong)
    return wrong.length > 0 ? undefined : plugin
  }

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
  if (typeof made === 'function') return madeBy(made, options, use)
  if (!isRecord(made)) {
    const expected = 'expected a plugin, or a function that makes one, as the default export of'
    throw new Error(`${expected} ${JSON.stringify(use)}, got ${shown([], made)}`)
  }
  if (options !== undefined) throw new Error(`the plugin ${JSON.stringify(use)} takes no options`)
  return made
}

async function madeBy(make: Make, options: unknown, use: string): Promise<Plugin> {
  const name = JSON.stringify(use)
  let plugin: unknown
  try {
    plugin = await make(options)
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    throw new Error(`the plugin ${name} could not be made: ${reasonOf(cause)}`, { cause })
  }
  if (isRecord(plugin)) return plugin as unknown as Plugin
  throw new Error(`expected a plugin of what ${name} exports, got ${shown([], plugin)}`)
}

async function importFrom(use: string, from: NodeJS.Require): Promise<unknown> {
  try {
    return await import(isAbsolute(use) ? pathToFileURL(use).href : locate(use, from))
  } catch (cause) {
    // It was looked for elsewhere, too.
    const why = reasonOf(cause).replace(/ imported from .*$/s, '')
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

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isNamed = (value: unknown): value is Named =>
  typeof value === 'string' || (isRecord(value) && typeof value['use'] === 'string')
