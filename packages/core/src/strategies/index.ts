import type { RouteOptions } from '../config/options.ts'
import type { Strategy } from '../types.ts'
import { ordered } from './ordered.ts'
import { roundRobin } from './round-robin.ts'
import { weighted } from './weighted.ts'

const factories: ReadonlyMap<string, () => Strategy> = new Map([
  ['ordered', ordered],
  ['round-robin', roundRobin],
  ['weighted', weighted],
])

/** The names by which a configuration can ask for a strategy. */
export const strategyNames: ReadonlySet<string> = new Set(factories.keys())

/** The strategy of a route: its own instance, since a strategy may have state. */
export function createStrategy(given: RouteOptions['strategy'] = 'ordered'): Strategy {
  if (typeof given === 'function') return { name: given.name || 'function', rank: given }
  if (typeof given === 'object' && 'rank' in given) return given as Strategy
  return factories.get(typeof given === 'string' ? given : given.use)!()
}
