import { resolve } from 'node:path'
import { isSqliteFile } from '../sqlite/file.ts'
import { sqliteFileOf } from '../store/place.ts'

/** Takes the relative paths in a configuration from the folder of its file. */
export function resolvePaths(config: unknown, folder: string): unknown {
  if (typeof config !== 'object' || config === null) return config
  const { ledger, store, cache, plugins, routes, keys } = config as Readonly<Record<string, unknown>>
  return {
    ...config,
    ...(typeof ledger === 'string' && { ledger: isSqliteFile(ledger) ? resolve(folder, ledger) : ledger }),
    ...(isRecord(cache) &&
      typeof cache['file'] === 'string' && { cache: { ...cache, file: resolve(folder, cache['file']) } }),
    ...(typeof store === 'string' && { store: storeFrom(store) }),
    ...(Array.isArray(keys) && { keys: keys.map(keysFrom) }),
    ...(Array.isArray(plugins) && { plugins: plugins.map(pluginFrom) }),
    ...(isRecord(routes) && { routes: mapValues(routes, routeFrom) }),
  }

  function routeFrom(route: unknown): unknown {
    if (!isRecord(route)) return route
    const { plugins: own, strategy } = route
    return {
      ...route,
      ...(Array.isArray(own) && { plugins: own.map(pluginFrom) }),
      ...(isData(strategy) && { strategy: deeply(strategy) }),
    }
  }

  function keysFrom(source: unknown): unknown {
    const { file } = (source ?? {}) as { file?: unknown }
    return typeof file === 'string' ? { file: resolve(folder, file) } : source
  }

  function storeFrom(place: string): string {
    const file = sqliteFileOf(place)
    return file === undefined ? place : `sqlite:${resolve(folder, file)}`
  }

  function pluginFrom(plugin: unknown): unknown {
    if (typeof plugin === 'string') return moduleFrom(plugin)
    const { use, options } = (plugin ?? {}) as { use?: unknown; options?: unknown }
    if (typeof use !== 'string') return plugin
    return { ...(plugin as object), use: moduleFrom(use), ...(options !== undefined && { options: deeply(options) }) }
  }

  /** What plugins and their strategies are told knows no schema here: a file stands in it as `./FILE` or `../FILE`. */
  function deeply(value: unknown): unknown {
    if (typeof value === 'string') return moduleFrom(value)
    if (Array.isArray(value)) return value.map(deeply)
    return isData(value) ? mapValues(value, deeply) : value
  }

  function moduleFrom(name: string): string {
    return /^\.\.?\//.test(name) ? resolve(folder, name) : name
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Plain data, and nothing that has methods. */
const isData = (value: unknown): value is Record<string, unknown> =>
  isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null)

const mapValues = (record: Record<string, unknown>, map: (value: unknown) => unknown) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
