import type { RouteOptions } from '../config/options.ts'

/** A model that a strategy's options name, and where in them. */
export interface NamedModel {
  readonly path: readonly (string | number)[]
  readonly name: string
}

/** The models that the options of a built-in strategy name. Total: the options need not have been checked. */
export function namedModels(strategy: unknown): readonly NamedModel[] {
  const options = record(strategy)
  if (options['use'] === 'complexity')
    return ['simple', 'moderate', 'complex'].flatMap((level) => namesIn(options[level], [level]))
  if (options['use'] === 'bandit') return namesIn(options['arms'], ['arms'])
  if (options['use'] === 'tier')
    return tiersOf(options).flatMap(({ models, path }) => namesIn(models, [...path, 'models']))
  if (options['use'] === 'cascade') return namedByCascade(options)
  if (options['use'] === 'sticky')
    return namedModels(options['strategy']).map(({ path, name }) => ({ path: ['strategy', ...path], name }))
  if (options['use'] !== 'rules') return []
  const rules = Array.isArray(options['rules']) ? options['rules'] : []
  return [
    ...rules.flatMap((rule, index) => namesIn(record(rule)['models'], ['rules', index, 'models'])),
    ...namesIn(options['otherwise'], ['otherwise']),
  ]
}

function namedByCascade({ cheap, strong, verify }: Readonly<Record<string, unknown>>): readonly NamedModel[] {
  const verifiers = Array.isArray(verify) ? (verify as unknown[]) : [verify]
  const asked = verifiers.flatMap((one, index) => {
    const { with: partner, model } = record(one)
    const path = Array.isArray(verify) ? ['verify', index] : ['verify']
    return [
      { path: [...path, 'with'], name: partner },
      { path: [...path, 'model'], name: model },
    ].flatMap(({ path: at, name }) => (typeof name === 'string' ? [{ path: at, name }] : []))
  })
  return [...namesIn(cheap, ['cheap']), ...namesIn(strong, ['strong']), ...asked]
}

/** The names of a route's models: as listed, or as its strategy names them. */
export function modelsOfRoute({ models, strategy }: Pick<RouteOptions, 'models' | 'strategy'>): readonly string[] {
  if (models) return models.map((entry) => (typeof entry === 'string' ? entry : entry.model))
  return [...new Set(namedModels(strategy).map(({ name }) => name))]
}

/** A strategy inside of another one's options. */
export interface NestedPlace {
  readonly path: NamedModel['path']
  readonly strategy: unknown
  /** The lists of models that it orders, each by itself; empty where its own options name them. */
  readonly lists: readonly unknown[]
}

/** The strategies inside of another one's options. Total, as {@link namedModels}. */
export function nestedStrategies(strategy: unknown): readonly NestedPlace[] {
  const options = record(strategy)
  const lists = listsOf.get(options['use'])
  const rules = options['use'] === 'rules' && Array.isArray(options['rules']) ? options['rules'].map(record) : []
  const choices = [
    ...(options['use'] === 'tier' ? tiersOf(options) : []),
    ...rules.map(({ models, strategy: inner }, index) => ({
      path: ['rules', index],
      strategy: inner,
      lists: [models],
    })),
  ]
  const places = [
    ...(lists ? [{ path: [], strategy: options['strategy'], lists: lists.map((key) => options[key]) }] : []),
    ...choices,
  ]
  return places.flatMap((place) =>
    place.strategy === undefined ? [] : [{ ...place, path: [...place.path, 'strategy'] }],
  )
}

/** Every choice of the strategy `tier`, those for latency-sensitive callers among them. */
function tiersOf({ tiers, otherwise }: Readonly<Record<string, unknown>>) {
  const choices = [
    ...Object.entries(record(tiers)).map(([name, choice]) => ({ choice: record(choice), path: ['tiers', name] })),
    { choice: record(otherwise), path: ['otherwise'] },
  ]
  return choices.flatMap(({ choice: { models, strategy, latencySensitive }, path }) => {
    const quick = record(latencySensitive)
    return [
      { models, strategy, path, lists: [models] },
      {
        models: quick['models'],
        strategy: quick['strategy'],
        path: [...path, 'latencySensitive'],
        lists: [quick['models'] ?? models],
      },
    ]
  })
}

/** Strategies that order their models by one other strategy, and where they have these models. */
const listsOf: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['bandit', ['arms']],
  ['cascade', ['cheap', 'strong']],
  ['complexity', ['simple', 'moderate', 'complex']],
  ['sticky', []],
])

const namesIn = (list: unknown, path: NamedModel['path']): readonly NamedModel[] =>
  (Array.isArray(list) ? list : []).flatMap((name, index) =>
    typeof name === 'string' ? [{ path: [...path, index], name }] : [],
  )

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
