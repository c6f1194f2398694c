import { z } from 'zod'
import { type ConfigFault, type Path, dotted, faultAt, shown } from '../config/fault.ts'
import { inWords } from '../config/words.ts'

const aFunction = z.custom((value) => typeof value === 'function', 'expected a function')
const someNames = z.custom(
  (value) => [value].flat().every((name) => typeof name === 'string'),
  'expected a name, or a list of names',
)

const hook = z.strictObject({
  run: aFunction,
  // Which of them there are, the pipeline knows.
  stage: z.unknown().optional(),
  enforce: z.unknown().optional(),
  before: someNames.optional(),
  after: someNames.optional(),
  timeoutMs: z.number().positive().optional(),
  onError: z.enum(['open', 'closed']).optional(),
})

const path = z.strictObject({
  method: z
    .string()
    .regex(/^[A-Z]+$/, 'expected a method in capitals')
    .optional(),
  path: z
    .string()
    .regex(/^\/(?:[^*?#]*\/)?(?:\*|[^*?#]*)$/, 'expected a path such as "/report", or "/report/*" for all below'),
  access: z.enum(['operator', 'caller']).optional(),
  answer: aFunction,
})

const command = z.strictObject({ summary: z.string(), run: aFunction })

const plugin = z.strictObject({
  name: z.string().min(1),
  version: z.string().optional(),
  requires: z.array(z.string()).optional(),
  call: z.unknown().optional(),
  attempt: z.unknown().optional(),
  route: aFunction.optional(),
  strategies: z.record(z.string(), aFunction).optional(),
  config: z.custom((value) => '~standard' in Object(value), 'expected a Standard Schema').optional(),
  paths: z.array(path).optional(),
  commands: z.record(z.string(), command).optional(),
  setup: aFunction.optional(),
  close: aFunction.optional(),
})

/** A name that can stand in a path, on a command line and as a key. */
const ownName = /^[a-z][\w-]*$/i

/** Every fault of a plugin: where, what was expected, and what came. */
export function pluginFaults(given: object): ConfigFault[] {
  const { name, paths, ...parts } = given as Readonly<Record<string, unknown>>
  const named = ['config', 'paths', 'commands'].find((key) => key in given && valueOf(given, key) !== undefined)
  const isNamed = !named || ownName.test(String(name))
  return [
    ...faultsBy(plugin, given, []),
    ...(['call', 'attempt'] as const).flatMap((ring) => hookFaults(parts[ring], ring)),
    ...(isNamed ? [] : [nameFault(named, name)]),
    ...repeatedPaths(paths),
  ]
}

const valueOf = (holder: object, key: string) => (holder as Readonly<Record<string, unknown>>)[key]

/** What of these parts is no function, where a plugin is made of them. */
export function functionFaults(given: object): ConfigFault[] {
  return Object.entries(given).flatMap(([key, value]) =>
    typeof value === 'function' ? [] : [{ path: key, message: `expected a function, got ${shown([], value)}` }],
  )
}

function hookFaults(given: unknown, ring: string): ConfigFault[] {
  if (given === undefined || typeof given === 'function') return []
  if (typeof given !== 'object' || given === null)
    return [{ path: ring, message: `expected a function or { run }, got ${shown([], given)}` }]
  return faultsBy(hook, given, [ring])
}

function faultsBy(schema: z.ZodObject, given: object, at: Path): ConfigFault[] {
  const issues = schema.safeParse(given, { error: inWords }).error?.issues ?? []
  return issues.flatMap((issue) => {
    const where = [...at, ...issue.path]
    if (issue.code !== 'unrecognized_keys') return [faultAt(where, issue.message, rootOf(given, at))]
    const known = Object.keys(schemaAt(schema, issue.path).shape).join(', ')
    return issue.keys.map((key) => ({ path: dotted(where), message: `expected one of ${known}, got the key "${key}"` }))
  })
}

/** What paths begin at. */
const rootOf = (given: object, at: Path) => at.toReversed().reduce<object>((inner, key) => ({ [key]: inner }), given)

/** The schema of what has keys that nobody knows. */
function schemaAt(schema: z.ZodObject, [key]: Path): z.ZodObject {
  if (key === 'paths') return path
  return key === 'commands' ? command : schema
}

const nameFault = (key: string, name: unknown) => ({
  path: key,
  message: `expected a plugin with a name of letters, digits, "-" and "_", because they stand under it, got ${shown([], name)}`,
})

/** The first of two would answer always. */
function repeatedPaths(paths: unknown): ConfigFault[] {
  if (!Array.isArray(paths)) return []
  const asked = paths.map((one: unknown) => {
    const { method = 'GET', path: where } = Object(one) as { method?: unknown; path?: unknown }
    return `${String(method)} ${String(where)}`
  })
  return asked.flatMap((one, index) =>
    asked.indexOf(one) < index ? [{ path: dotted(['paths', index]), message: `"${one}" is there already` }] : [],
  )
}
