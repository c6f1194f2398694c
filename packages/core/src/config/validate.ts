import type { z } from 'zod'
import {
  type ConfigFault,
  type Path,
  configError,
  dotted,
  faultAt,
  faultsBelow,
  plain,
  shown,
  valueAt,
} from './fault.ts'
import { apiKeyFaults } from './key-faults.ts'
import { type NestedPlace, namedModels, nestedStrategies } from '../strategies/named-models.ts'
import type { Plugin } from '../plugin.ts'
import { pluginFaults } from '../hooks/plugin-checks.ts'
import { readBySchema } from './standard-schema.ts'
import type { RouterOptions } from './options.ts'
import { codeSchema } from './schema.ts'
import { isPromise } from '../store/after.ts'
import { isSameFile } from '../store/place.ts'
import { inWords } from './words.ts'

/**
 * Checks a whole configuration and returns it typed.
 *
 * @throws SignalboxError `invalid_config`, whose message lists every fault at once, each with its path and what came.
 */
export function validateConfig(options: unknown, strategyNames: ReadonlySet<string>): RouterOptions {
  if (isPromise(options))
    throw configError([{ path: '', message: 'expected a configuration, got a promise: await it' }])
  const faults = [
    ...declarationFaults(options),
    ...configFaults(options, strategyNames, { plugins: pluginsOf(options) }),
  ]
  if (faults.length > 0) throw configError(faults)
  return options as RouterOptions
}

/** What to check a configuration against, when it is not one in code. */
export interface ConfigCheck {
  readonly schema?: z.ZodType
  /** The configuration as it was written, where that is not the one that is checked: what faults say came. */
  readonly written?: unknown
  /** Plugins that have keys and strategies of their own. */
  readonly plugins?: readonly Plugin[]
}

/** Every fault of a configuration. */
export function configFaults(
  options: unknown,
  strategyNames: ReadonlySet<string>,
  { schema = codeSchema, written = options, plugins = [] }: ConfigCheck = {},
): ConfigFault[] {
  const keyed = plugins.filter(({ config }) => isSchema(config))
  const ofSchema = without(options, new Set(keyed.map(({ name }) => name)))
  const strategiesOfPlugins = plugins.flatMap(({ name, strategies }) =>
    Object.keys(record(strategies)).map((strategy) => ({ strategy, plugin: name })),
  )
  return [
    ...schemaFaults(schema, ofSchema, written),
    ...keyed.flatMap((plugin) => keyFaults(plugin, options)),
    ...repeatedStrategies(strategiesOfPlugins, strategyNames),
    ...referenceFaults(options, new Set([...strategyNames, ...strategiesOfPlugins.map(({ strategy }) => strategy)])),
  ]
}

/** What a schema finds wrong with a value, and what was written in its place. */
export function schemaFaults(schema: z.ZodType, value: unknown, written = value): ConfigFault[] {
  const { error } = schema.safeParse(value, { error: inWords })
  return (error?.issues ?? []).flatMap((issue) => faultsOf(issue, [], written))
}

/** Of two strategies with one name a route could have one only. */
function repeatedStrategies(
  ofPlugins: readonly { readonly strategy: string; readonly plugin: string }[],
  builtIn: ReadonlySet<string>,
): ConfigFault[] {
  return ofPlugins.flatMap(({ strategy, plugin }, index) => {
    const first = ofPlugins.findIndex((other) => other.strategy === strategy)
    if (first === index && !builtIn.has(strategy)) return []
    const whose = builtIn.has(strategy) ? 'built in' : `of the plugin "${ofPlugins[first]!.plugin}"`
    return [{ path: `plugins.${plugin}.strategies.${strategy}`, message: `there is a strategy by this name ${whose}` }]
  })
}

/** What stands under `plugins` and may be a plugin. */
export function pluginsOf(options: unknown): readonly Plugin[] {
  return list(record(options)['plugins']).filter(
    (plugin) => typeof plugin === 'object' && plugin !== null,
  ) as readonly Plugin[]
}

function without(options: unknown, keys: ReadonlySet<string>): unknown {
  if (keys.size === 0 || typeof options !== 'object' || options === null) return options
  return Object.fromEntries(Object.entries(options).filter(([key]) => !keys.has(key)))
}

/** What is wrong under a plugin's own key. */
function keyFaults({ name, config }: Plugin, options: unknown): ConfigFault[] {
  if (Object.hasOwn(codeSchema.shape, name))
    return [{ path: `plugins.${name}`, message: 'the configuration has a key of its own by this name' }]
  const reading = readBySchema(config!, record(options)[name], name)
  return 'faults' in reading ? [...reading.faults] : []
}

type Issue = z.core.$ZodIssue

function faultsOf(issue: Issue, base: Path, root: unknown): ConfigFault[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey([...path, key], root))
  }
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => ({ path: dotted(path), message: inner.message }))
  if (issue.code !== 'invalid_union') return [faultAt(path, issue.message, root)]
  if (issue.discriminator) return [faultAt([...path], "expected 'openai', 'anthropic' or 'openai-compatible'", root)]
  const branch = bestBranch(issue.errors)
  if (branch) return branch.flatMap((inner) => faultsOf(inner, path, root))
  if (issue.message !== 'Invalid input') return [faultAt(path, issue.message, root)]
  const wanted = issue.errors.flat().map((inner) => plain(inner.message))
  const named = wanted.filter((message) => message !== 'Invalid input')
  return [faultAt(path, [...new Set(named)].join(', or ').replaceAll(', or expected ', ', or '), root)]
}

/** The branch of a union that the value was meant for: the one whose faults lie inside it. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const misses = (branch: readonly Issue[]) =>
    branch.some((issue) =>
      issue.code === 'invalid_union'
        ? issue.discriminator !== undefined || (issue.path.length === 0 && !bestBranch(issue.errors))
        : issue.path.length === 0 && issue.code !== 'unrecognized_keys',
    )
  return branches.filter((branch) => !misses(branch)).toSorted((a, b) => a.length - b.length)[0]
}

/** A text under a key that nobody knows is not shown: it may be a secret under a misspelt name. */
function unknownKey(path: Path, root: unknown): ConfigFault {
  const value = valueAt(root, path)
  const came = typeof value === 'string' ? 'a string (not shown)' : shown(path, value)
  return { path: dotted(path), message: `unknown key, got ${came}` }
}

/** Faults between parts that each are well formed: names that stand for nothing, or stand twice. */
function referenceFaults(options: unknown, strategyNames: ReadonlySet<string>): ConfigFault[] {
  const models = new Set(Object.keys(record(record(options)['models'])))
  return [
    ...forbiddenNames(options),
    ...tierFaults(options),
    ...routeFaults(options, models, strategyNames),
    ...routePluginFaults(options),
    ...budgetFaults(options, models),
    ...apiKeyFaults(list(record(options)['keys']).map(record), {
      models,
      routes: new Set(Object.keys(record(record(options)['routes']))),
    }),
    ...storeFaults(record(options)),
  ]
}

function storeFaults({ store, ledger }: Record<string, unknown>): ConfigFault[] {
  if (typeof store !== 'string' || typeof ledger !== 'string' || !isSameFile(store, ledger)) return []
  return [{ path: 'store', message: "expected another file than the ledger's, got the same" }]
}

function budgetFaults(options: unknown, models: ReadonlySet<string>): ConfigFault[] {
  const routes = [...Object.keys(record(record(options)['routes'])), ...models]
  return list(record(options)['budgets']).flatMap((budget, index) => [
    ...degradeFaults(record(budget), ['budgets', index, 'degrade']),
    ...circles(record(record(record(budget)['degrade'])['routes']), ['budgets', index, 'degrade', 'routes']),
    ...Object.entries(record(record(record(budget)['degrade'])['routes'])).flatMap((pair) =>
      pair.flatMap((name) =>
        typeof name === 'string' && !routes.includes(name)
          ? [
              {
                path: dotted(['budgets', index, 'degrade', 'routes', pair[0]]),
                message: `no route is named ${JSON.stringify(name)}`,
              },
            ]
          : [],
      ),
    ),
  ])
}

function degradeFaults({ per, degrade }: Record<string, unknown>, path: Path): ConfigFault[] {
  if (per !== 'model' || degrade === undefined) return []
  const message = 'expected a budget of what is known before a model is chosen, got one per model'
  return [{ path: dotted(path), message }]
}

/** Routes that stand for each other would only change places, and the cheap one's calls go by the dear one. */
function circles(routes: Record<string, unknown>, path: Path): ConfigFault[] {
  const next = new Map(Object.entries(routes))
  return [...next.keys()].flatMap((name) => {
    const way = new Set<unknown>()
    for (let at: unknown = name; typeof at === 'string' && !way.has(at); at = next.get(at)) {
      way.add(at)
      if (next.get(at) !== name) continue
      return [{ path: dotted([...path, name]), message: `expected no circle, got ${[...way, name].join(' -> ')}` }]
    }
    return []
  })
}

/** `__proto__` is no name: the schema does not look at what stands under it. */
function forbiddenNames(options: unknown): ConfigFault[] {
  const { models, routes, tiers } = record(options)
  const headers = Object.entries(record(models)).map(([name, model]) => ({
    path: ['models', name, 'headers'],
    named: record(model)['headers'],
  }))
  const places = [
    { path: ['models'], named: models },
    { path: ['routes'], named: routes },
    { path: ['tiers'], named: tiers },
  ]
  return [...places, ...headers]
    .filter(({ named }) => Object.hasOwn(record(named), '__proto__'))
    .map(({ path }) => ({ path: dotted([...path, '__proto__']), message: 'nothing can have this name' }))
}

function tierFaults(options: unknown): ConfigFault[] {
  const tiers = Object.keys(record(record(options)['tiers']))
  return Object.entries(record(record(options)['models'])).flatMap(([name, model]) => {
    const tier = record(record(model)['limits'])['tier']
    if (typeof tier !== 'string' || tiers.includes(tier)) return []
    const message = `no tier is named ${JSON.stringify(tier)}; there are ${tiers.join(', ') || 'none'}`
    return [{ path: dotted(['models', name, 'limits', 'tier']), message }]
  })
}

function routeFaults(options: unknown, models: ReadonlySet<string>, strategyNames: ReadonlySet<string>): ConfigFault[] {
  return Object.entries(record(record(options)['routes'])).flatMap(([name, value]) => {
    const route = record(value)
    const listed = list(route['models']).map((entry) => (typeof entry === 'string' ? entry : record(entry)['model']))
    const at = ['routes', name]
    const named = namedModels(route['strategy'])
    const onRoute = route['models'] === undefined ? models : new Set([...listed, ...list(route['fallback'])])
    return [
      ...(route['models'] === undefined && named.length === 0 ? [noModels([...at, 'models'])] : []),
      ...named.flatMap((one) => {
        if (onRoute.has(one.name)) return []
        const path = dotted([...at, 'strategy', ...one.path])
        return [
          {
            path,
            message: `${JSON.stringify(one.name)} is not on the route; there are ${[...onRoute].join(', ') || 'none'}`,
          },
        ]
      }),
      ...unknownModels(listed, models, [...at, 'models']),
      ...repeated(listed, [...at, 'models']),
      ...weightless(route, record(options)['models'], [...at, 'models']),
      ...unknownModels(list(route['fallback']), models, [...at, 'fallback']),
      ...repeated(list(route['fallback']), [...at, 'fallback']),
      ...strategyFaults(route['strategy'], strategyNames, [...at, 'strategy']),
    ]
  })
}

/** Strategies that never take a model without a weight. */
const byWeight: ReadonlySet<unknown> = new Set(['weighted', 'round-robin'])

function weightless(route: Record<string, unknown>, models: unknown, path: Path): ConfigFault[] {
  const { strategy } = route
  const entries = list(route['models'])
  if (
    entries.length === 0 ||
    list(route['fallback']).length > 0 ||
    !byWeight.has(typeof strategy === 'string' ? strategy : record(strategy)['use'])
  )
    return []
  const weightOf = (entry: unknown) => {
    const { model, weight = record(record(models)[String(model)])['weight'] } =
      typeof entry === 'string' ? { model: entry } : record(entry)
    return weight
  }
  if (entries.some((entry) => weightOf(entry) !== 0)) return []
  return [{ path: dotted(path), message: 'expected a weight above 0 for one of them at least, got 0 for all' }]
}

const noModels = (path: Path) => ({
  path: dotted(path),
  message: 'expected the names of models, or a strategy that names them, got nothing',
})

/** What is wrong with plugins themselves. */
function declarationFaults(options: unknown): ConfigFault[] {
  const places = [
    { at: 'plugins', plugins: record(options)['plugins'] },
    ...Object.entries(record(record(options)['routes'])).map(([name, route]) => ({
      at: dotted(['routes', name, 'plugins']),
      plugins: record(route)['plugins'],
    })),
  ]
  return places.flatMap(({ at, plugins }) =>
    list(plugins).flatMap((plugin, index) =>
      typeof plugin === 'object' && plugin !== null ? faultsBelow(`${at}[${index}]`, pluginFaults(plugin)) : [],
    ),
  )
}

/** What a plugin has that belongs to no route. */
const notOfRoutes = ['config', 'paths', 'commands', 'strategies'] as const

function routePluginFaults(options: unknown): ConfigFault[] {
  return Object.entries(record(record(options)['routes'])).flatMap(([route, value]) =>
    list(record(value)['plugins']).flatMap((plugin, index) =>
      notOfRoutes
        .filter((key) => record(plugin)[key] !== undefined)
        .map((key) => ({
          path: dotted(['routes', route, 'plugins', index]),
          message: `"${String(record(plugin)['name'])}" has ${key}, which only a plugin for all routes can have`,
        })),
    ),
  )
}

function unknownModels(names: readonly unknown[], models: ReadonlySet<string>, path: Path): ConfigFault[] {
  return names.flatMap((model, index) =>
    typeof model === 'string' && !models.has(model)
      ? [
          {
            path: dotted([...path, index]),
            message: `no model is named ${JSON.stringify(model)}; there are ${[...models].join(', ') || 'none'}`,
          },
        ]
      : [],
  )
}

function repeated(names: readonly unknown[], path: Path): ConfigFault[] {
  return names.flatMap((model, index) =>
    typeof model === 'string' && names.indexOf(model) < index
      ? [{ path: dotted([...path, index]), message: `${JSON.stringify(model)} is listed twice` }]
      : [],
  )
}

/** Strategies that say nothing without their options. */
const withOptions = new Set(['bandit', 'cascade', 'complexity', 'rules', 'tier'])

function strategyFaults(strategy: unknown, names: ReadonlySet<string>, path: Path): ConfigFault[] {
  const use = typeof strategy === 'string' ? strategy : record(strategy)['use']
  if (typeof use !== 'string') return []
  if (!names.has(use)) {
    const message = `no strategy is named ${JSON.stringify(use)}; there are ${[...names].join(', ')}`
    return [{ path: dotted(path), message: message + hintFor(use) }]
  }
  if (typeof strategy === 'string' && withOptions.has(use))
    return [{ path: dotted(path), message: `expected an object with "use": "${use}" and its options, got its name` }]
  return nestedStrategies(strategy).flatMap((inner) => [
    ...strategyFaults(inner.strategy, names, [...path, ...inner.path]),
    ...nestedFaults(inner, [...path, ...inner.path]),
  ])
}

/** What is wrong with a strategy where it stands inside of another one: there it only orders the models that it is given. */
function nestedFaults({ strategy, lists }: NestedPlace, path: Path): ConfigFault[] {
  if (lists.length === 0) return []
  const { use, strategy: inner } = record(strategy)
  const fault = (message: string) => [{ path: dotted(path), message }]
  if (use === 'cascade' || (use === 'sticky' && record(inner)['use'] === 'cascade'))
    return fault('expected a strategy that orders models, got a cascade, which also asks them')
  const named = wordsOf(namedModels(strategy).map(({ name }) => name))
  if (named === '') return []
  const others = lists.filter(Array.isArray).map(wordsOf)
  return others
    .filter((models) => models !== named)
    .flatMap((models) => fault(`expected it to name the models that it orders, ${models}, got ${named}`))
}

const wordsOf = (names: readonly unknown[]) => [...new Set(names.map(String))].toSorted().join(' and ')

const hintFor = (use: string) =>
  use === 'learned' ? ', and "learned" with the plugin "@signalbox/classifier" among the plugins' : ''

const isSchema = (config: unknown) => config !== undefined && '~standard' in Object(config)
const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
