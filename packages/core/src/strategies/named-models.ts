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
  if (options['use'] === 'cascade') return namedByCascade(options)
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

/** A strategy inside of another one's options, and where in them. Total, as {@link namedModels}. */
export function nestedStrategies(
  strategy: unknown,
): readonly { readonly path: NamedModel['path']; readonly strategy: unknown }[] {
  const options = record(strategy)
  const rules = options['use'] === 'rules' && Array.isArray(options['rules']) ? options['rules'] : []
  const places = [
    ...(withStrategy.has(options['use']) ? [{ path: ['strategy'], strategy: options['strategy'] }] : []),
    ...rules.map((rule, index) => ({ path: ['rules', index, 'strategy'], strategy: record(rule)['strategy'] })),
  ]
  return places.filter((place) => place.strategy !== undefined)
}

/** Strategies that order their models by another one. */
const withStrategy: ReadonlySet<unknown> = new Set(['bandit', 'cascade', 'complexity'])

const namesIn = (list: unknown, path: NamedModel['path']): readonly NamedModel[] =>
  (Array.isArray(list) ? list : []).flatMap((name, index) =>
    typeof name === 'string' ? [{ path: [...path, index], name }] : [],
  )

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
