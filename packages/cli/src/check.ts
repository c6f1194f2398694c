import { type RouterOptions, modelsOfRoute } from '@signalbox/core'
import { columns } from './terminal.ts'

/** What `--check` prints of a configuration without fault. */
export function checkText(file: string, { models, routes = {} }: RouterOptions): string {
  const modelNames = Object.keys(models)
  const routeNames = Object.keys(routes)
  const head = `ok: ${file} has ${counted(modelNames, 'model')} and ${counted(routeNames, 'route')}`
  const rows = [
    ...Object.entries(routes).map(([name, route]) => [name, routeText(route)] as const),
    ...Object.entries(models).map(([name, model]) => [name, modelText(name, model)] as const),
  ]
  return `${head}\n${columns(rows)}`
}

type Route = NonNullable<RouterOptions['routes']>[string]
type Model = RouterOptions['models'][string]

function routeText(route: Route): string {
  const { strategy = 'ordered', fallback = [] } = route
  const rest = fallback.length > 0 ? `, then ${fallback.join(', ')}` : ''
  return `${strategyName(strategy)}: ${modelsOfRoute(route).join(', ')}${rest}`
}

function strategyName(strategy: NonNullable<Route['strategy']>): string {
  if (typeof strategy === 'string') return strategy
  return 'use' in strategy ? strategy.use : strategy.name || 'a function'
}

function modelText(name: string, { provider, model = name }: Model): string {
  return `${typeof provider === 'string' ? provider : provider.name} ${model}`
}

const counted = (names: readonly string[], noun: string) => `${names.length} ${noun}${names.length === 1 ? '' : 's'}`
