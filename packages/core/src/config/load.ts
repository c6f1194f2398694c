import { dirname, resolve } from 'node:path'
import { strategyNames } from '../strategies/index.ts'
import type { RouterOptions } from './options.ts'
import { type Environment, readEnvironment } from './load-environment.ts'
import { readConfigFile } from './load-file.ts'
import { loadPlugins } from './load-plugins.ts'
import { resolvePaths } from './load-paths.ts'
import { codeSchema, fileSchema } from './schema.ts'
import { configError } from './fault.ts'
import { configFaults, pluginsOf } from './validate.ts'

/** Options of {@link loadConfig}. */
export interface LoadConfigOptions {
  /** Where `"$NAME"` strings are looked up. @default process.env */
  readonly env?: Environment
}

/**
 * Reads a configuration from a file: `.json`, `.yaml` or `.yml` (these need the package `yaml`), or a module (`.ts`,
 * `.mts`, `.js`, `.mjs`) with the configuration as its default export.
 *
 * A string that is exactly `$NAME` is replaced by that environment variable, wherever it stands; `$$NAME` stands for the
 * text `$NAME`. Relative paths are taken from the file's own folder, and packages are looked for from there. In a module
 * functions and objects may stand as in code.
 *
 * @throws SignalboxError `invalid_config`, whose message lists every fault at once, each with its path. It never holds
 * the value of an environment variable.
 * @example
 * const router = createRouter(await loadConfig('signalbox.json'))
 */
export async function loadConfig(file: string, { env = process.env }: LoadConfigOptions = {}): Promise<RouterOptions> {
  const path = resolve(file)
  const { value: written, isModule } = await readConfigFile(path, file)
  const { value, faults: unset, hide } = readEnvironment(written, env)
  const folder = dirname(path)
  const { value: config, faults: unloaded } = await loadPlugins(resolvePaths(value, folder), folder)
  const unsetPaths = new Set(unset.map((fault) => fault.path))
  const others = configFaults(isModule ? config : value, strategyNames, {
    schema: isModule ? codeSchema : fileSchema,
    written,
    plugins: pluginsOf(config),
  })
  const faults = [...unset, ...[...unloaded, ...others].filter((fault) => !unsetPaths.has(fault.path)).map(hide)]
  if (faults.length > 0) throw configError(faults, `The configuration ${file}`)
  return config as RouterOptions
}
