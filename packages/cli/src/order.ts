import type { OrderedHook, Router } from '@signalbox/core'
import { bold, columns, widest } from './terminal.ts'

/** What `--print-order` prints: every hook, outermost first, with the stage that it stands in; then routes with others. */
export function orderText({ order, routeOrders }: Pick<Router, 'order' | 'routeOrders'>): string {
  const routes = Object.entries(routeOrders).map(([name, own]) => `\n${bold(`on the route "${name}"`)}\n${rings(own)}`)
  return [rings(order), ...routes].join('\n')
}

function rings(order: readonly OrderedHook[]): string {
  const width = widest(order.map(row))
  const ring = (name: OrderedHook['ring']) => columns(order.filter((hook) => hook.ring === name).map(row), width)
  return [
    `${bold('call ring')}, once for a call`,
    ring('call'),
    `${bold('route')}, ranks the models and tries them in turn`,
    ring('route'),
    `${bold('attempt ring')}, once for each model; inside retry, once for each attempt`,
    ring('attempt'),
    bold('model'),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

const row = ({ stage, plugin }: OrderedHook) => [stage, plugin] as const
