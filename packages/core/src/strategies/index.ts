import { configError, shown } from '../config/fault.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import { isPromise } from '../store/after.ts'
import type { RouteOptions } from '../config/options.ts'
import type { Plugin, StrategyFactory } from '../plugin.ts'
import type { Services } from '../types.ts'
import type { Strategy } from './strategy.ts'
import { type BanditOptions, bandit } from './bandit.ts'
import { type CascadeOptions, cascade } from './cascade.ts'
import { cheapest } from './cheapest.ts'
import { complexity } from './complexity.ts'
import { leastLatency } from './least-latency.ts'
import { ordered } from './ordered.ts'
import { roundRobin } from './round-robin.ts'
import { type RulesOptions, rules } from './rules.ts'
import { sticky } from './sticky.ts'
import { type TierOptions, tier } from './tier.ts'
import { weighted } from './weighted.ts'

/** A strategy inside of another one: a name, or a name with options. */
export type NestedStrategy = string | { readonly use: string; readonly [option: string]: unknown }

/** Makes a strategy that stands inside of another one. */
export type MakeStrategy = (nested: NestedStrategy | undefined) => Strategy

type Factory = (options: object, services: Services, make: MakeStrategy) => Strategy

const factories: ReadonlyMap<string, Factory> = new Map<string, Factory>([
  ['ordered', ordered],
  ['round-robin', roundRobin],
  ['weighted', weighted],
  ['least-latency', (options, services) => leastLatency(options, services)],
  ['cheapest', cheapest],
  ['bandit', (options, services, make) => bandit(options as BanditOptions, services, make)],
  ['cascade', (options, services, make) => cascade(options as CascadeOptions, services, make)],
  ['complexity', (options, _services, make) => complexity(options, make)],
  ['tier', (options, _services, make) => tier(options as TierOptions, make)],
  ['rules', (options, _services, make) => rules(options as RulesOptions, make)],
  ['sticky', (options, services, make) => sticky(options, services, make)],
])

/** The names by which a configuration can ask for a strategy. */
export const strategyNames: ReadonlySet<string> = new Set(factories.keys())

/** The strategy of a route: its own instance, since a strategy may have state. */
export function createStrategy(
  given: RouteOptions['strategy'],
  services: Services,
  plugins: readonly Plugin[] = [],
): Strategy {
  if (typeof given === 'function') return { name: given.name || 'function', rank: given }
  if (typeof given === 'object' && 'rank' in given) return given as Strategy
  const { use, ...options } = typeof given === 'object' ? given : { use: given ?? 'ordered' }
  const make: MakeStrategy = (nested) => createStrategy(nested, services, plugins)
  return factories.get(use)?.(options, services, make) ?? madeBy(ofPlugins(plugins)[use]!, use, options)
}

/** @throws SignalboxError that names the strategy, where its plugin makes none */
function madeBy(factory: StrategyFactory, name: string, options: Readonly<Record<string, unknown>>): Strategy {
  let made: unknown
  try {
    made = factory(options)
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SignalboxError('plugin_failed', `The strategy "${name}" could not be made: ${why}`, { cause })
  }
  if (isPromise(made)) made.catch(() => undefined)
  if (typeof made === 'function') return { name, rank: made as Strategy['rank'] }
  const { name: own, rank } = Object(made) as Partial<Strategy>
  if (typeof own === 'string' && typeof rank === 'function') return made as Strategy
  const message = `expected a function that ranks, or a strategy with its name and "rank", got ${shown([], made)}`
  throw configError([{ path: `strategies.${name}`, message }], 'A plugin')
}

const ofPlugins = (plugins: readonly Plugin[]): Readonly<Record<string, StrategyFactory>> =>
  Object.assign({}, ...plugins.map(({ strategies }) => strategies))
