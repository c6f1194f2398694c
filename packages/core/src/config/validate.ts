import type { z } from 'zod'
import { SignalboxError } from '../errors.ts'
import type { RouterOptions } from './options.ts'
import { codeSchema } from './schema.ts'

/** A fault of a configuration: where, and what was expected and came. */
export interface ConfigFault {
  readonly path: string
  readonly message: string
}

/**
 * Checks a whole configuration and returns it typed.
 *
 * @throws SignalboxError `invalid_config`, whose message lists every fault at once, each with its path and what came.
 */
export function validateConfig(options: unknown, strategyNames: ReadonlySet<string>): RouterOptions {
  const faults = configFaults(options, strategyNames)
  if (faults.length > 0) throw configError(faults)
  return options as RouterOptions
}

/** What to check a configuration against, when it is not one in code. */
export interface ConfigCheck {
  readonly schema?: z.ZodType
  /** The configuration as it was written, where that is not the one that is checked: what faults say came. */
  readonly written?: unknown
}

/** Every fault of a configuration. */
export function configFaults(
  options: unknown,
  strategyNames: ReadonlySet<string>,
  { schema = codeSchema, written = options }: ConfigCheck = {},
): ConfigFault[] {
  const parsed = schema.safeParse(options)
  return [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue, [], written))),
    ...referenceFaults(options, strategyNames),
  ]
}

/** One `invalid_config` error for all the faults. */
export function configError(faults: readonly ConfigFault[], subject = 'The configuration'): SignalboxError {
  const lines = faults.map(({ path, message }) => `  ${path || '(top)'}: ${message}`)
  const head = faults.length === 1 ? `${subject} has a fault:` : `${subject} has ${faults.length} faults:`
  return new SignalboxError('invalid_config', [head, ...lines].join('\n'))
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

function faultsOf(issue: Issue, base: Path, root: unknown): ConfigFault[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey([...path, key], root))
  }
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => ({ path: dotted(path), message: inner.message }))
  if (issue.code !== 'invalid_union') return [fault(path, issue.message, root)]
  if (issue.discriminator) return [fault([...path], "expected 'openai' or 'openai-compatible'", root)]
  const branch = bestBranch(issue.errors)
  if (branch) return branch.flatMap((inner) => faultsOf(inner, path, root))
  const wanted = issue.errors.flat().map((inner) => plain(inner.message))
  const named = wanted.filter((message) => message !== 'Invalid input')
  return [fault(path, [...new Set(named)].join(', or '), root)]
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

function fault(path: Path, message: string, root: unknown): ConfigFault {
  return { path: dotted(path), message: `${plain(message)}, got ${shown(path, valueAt(root, path))}` }
}

const plain = (message: string) => message.replace(/^Invalid input: /, '').replace(/, received .*$/, '')

/** A text under a key that nobody knows is not shown: it may be a secret under a misspelt name. */
function unknownKey(path: Path, root: unknown): ConfigFault {
  const value = valueAt(root, path)
  const came = typeof value === 'string' ? 'a string (not shown)' : shown(path, value)
  return { path: dotted(path), message: `unknown key, got ${came}` }
}

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

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  )
}

const secretKeys = new Set(['apiKey', 'headers', 'key', 'sha256', 'authorization'])
/** A URL may hold a password before its host, and a key in its query. */
const secretUrl = /[@?]/

function shown(path: Path, value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return kindOf(value)
  const isSecret =
    path.some((key) => secretKeys.has(String(key))) || (path.at(-1) === 'baseUrl' && secretUrl.test(String(value)))
  if (isSecret) return `${kindOf(value)} (not shown)`
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Faults between parts that each are well formed: names that stand for nothing, or stand twice. */
function referenceFaults(options: unknown, strategyNames: ReadonlySet<string>): ConfigFault[] {
  const models = new Set(Object.keys(record(record(options)['models'])))
  return [
    ...forbiddenNames(options),
    ...tierFaults(options),
    ...routeFaults(options, models, strategyNames),
    ...budgetFaults(options, models),
  ]
}

function budgetFaults(options: unknown, models: ReadonlySet<string>): ConfigFault[] {
  const routes = [...Object.keys(record(record(options)['routes'])), ...models]
  return list(record(options)['budgets']).flatMap((budget, index) =>
    Object.entries(record(record(record(budget)['degrade'])['routes'])).flatMap((pair) =>
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
  )
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
    return [
      ...unknownModels(listed, models, [...at, 'models']),
      ...repeated(listed, [...at, 'models']),
      ...unknownModels(list(route['fallback']), models, [...at, 'fallback']),
      ...strategyFaults(route['strategy'], strategyNames, [...at, 'strategy']),
    ]
  })
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

function strategyFaults(strategy: unknown, names: ReadonlySet<string>, path: Path): ConfigFault[] {
  const use = typeof strategy === 'string' ? strategy : record(strategy)['use']
  if (typeof use !== 'string' || names.has(use)) return []
  return [
    { path: dotted(path), message: `no strategy is named ${JSON.stringify(use)}; there are ${[...names].join(', ')}` },
  ]
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
