import type { ModelOptions, RouteOptions, RouterOptions } from './config/options.ts'
import { defaultMaxBodyBytes, resolveSettings } from './config/defaults.ts'
import type { EventBus } from './events.ts'
import type { Connections } from './providers/connections.ts'
import { providerOf } from './providers/index.ts'
import type { ConnectedModel } from './providers/provider.ts'
import { createStrategy } from './strategies/index.ts'
import type { Candidate, CandidateView, Services, Strategy } from './types.ts'

/** A route, ready to be ranked. */
export interface Route {
  readonly name: string
  readonly strategy: Strategy
  /** What the strategy ranks. */
  readonly views: readonly CandidateView[]
  /** Names that follow what was ranked, in this order. */
  readonly fallback: readonly string[]
  /** Every model that may be tried, by name. */
  readonly candidates: ReadonlyMap<string, Candidate>
  readonly callMs: number
  readonly maxAttemptsPerCall: number
}

/** Every name that a caller may ask for. */
export interface RouteTable {
  find(name: string): Route | undefined
  readonly names: readonly string[]
}

/** What models are connected with. */
export interface ModelServices extends Services {
  readonly events: EventBus
  readonly connections: Connections
}

interface Model {
  readonly name: string
  readonly options: ModelOptions
  readonly providerName: string
  readonly connected: ConnectedModel
}

/** Connects every model and builds every route, the models' own names included. */
export function createRouteTable(options: RouterOptions, services: ModelServices): RouteTable {
  const models = new Map(
    Object.entries(options.models).map(([name, model]) => [name, connectModel(name, model, options, services)]),
  )
  const routes = new Map<string, Route>()
  for (const name of models.keys()) routes.set(name, createRoute(name, { models: [name] }, models, options))
  for (const [name, route] of Object.entries(options.routes ?? {}))
    routes.set(name, createRoute(name, route, models, options))
  const names = [...new Set([...Object.keys(options.routes ?? {}), ...models.keys()])]
  return { find: (name) => routes.get(name), names }
}

function connectModel(name: string, options: ModelOptions, top: RouterOptions, services: ModelServices): Model {
  const provider = providerOf(options)
  const { timeouts } = resolveSettings(options.reasoning ?? false, top, options)
  const connected = provider.connect(options, {
    ...services,
    name,
    connectMs: timeouts.connectMs,
    maxResponseBytes: top.maxResponseBytes ?? defaultMaxBodyBytes,
  })
  return { name, options, providerName: provider.name, connected }
}

function createRoute(name: string, route: RouteOptions, models: ReadonlyMap<string, Model>, top: RouterOptions): Route {
  const listed = route.models.map((entry) => (typeof entry === 'string' ? { model: entry } : entry))
  const fallback = route.fallback ?? []
  const ranked = listed.map(({ model, weight }) => createCandidate(models.get(model)!, weight, route, top))
  const reserve = fallback.filter((model) => !ranked.some((candidate) => candidate.name === model))
  const candidates = [...ranked, ...reserve.map((model) => createCandidate(models.get(model)!, undefined, route, top))]
  return {
    name,
    strategy: createStrategy(route.strategy),
    views: ranked.map(viewOf),
    fallback,
    candidates: new Map(candidates.map((candidate) => [candidate.name, candidate])),
    callMs: Math.max(...candidates.map(({ settings }) => settings.timeouts.callMs)),
    maxAttemptsPerCall: Math.max(...candidates.map(({ settings }) => settings.retry.maxAttemptsPerCall)),
  }
}

function createCandidate(model: Model, weight: number | undefined, route: RouteOptions, top: RouterOptions): Candidate {
  const { name, options, providerName, connected } = model
  return Object.freeze({
    name,
    provider: providerName,
    model: options.model ?? name,
    weight: weight ?? options.weight ?? 1,
    tags: Object.freeze([...(options.tags ?? [])]),
    domain: options.domain ?? connected.domain,
    reasoning: options.reasoning ?? false,
    settings: resolveSettings(options.reasoning ?? false, top, route, options),
    send: connected.send,
  })
}

function viewOf({ name, provider, model, weight, tags, domain, reasoning }: Candidate): CandidateView {
  return Object.freeze({ name, provider, model, weight, tags, domain, reasoning })
}
