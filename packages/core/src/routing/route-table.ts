import type { ModelOptions, RouteOptions, RouterOptions } from '../config/options.ts'
import { defaultMaxBodyBytes, resolveSettings } from '../config/defaults.ts'
import type { Admission } from '../admission.ts'
import type { EventBus } from '../events.ts'
import type { ModelStates } from './model-state.ts'
import type { PriceBook } from '../money/price-book.ts'
import { nanoUsdOf } from '../money/usd.ts'
import type { Overdue } from '../hooks/overdue.ts'
import type { Connections } from '../providers/connections.ts'
import { inAnyDialect } from '../providers/any-dialect.ts'
import { connectForeign } from '../providers/connect.ts'
import type { UpstreamHeaders } from '../providers/exchange-options.ts'
import { heldToPromise } from '../providers/foreign.ts'
import { isOwn, providerOf } from '../providers/index.ts'
import type { ConnectedModel } from '../providers/provider.ts'
import { parseRetryAfterMs } from '../retry/retry-after.ts'
import { createStrategy } from '../strategies/index.ts'
import { modelsOfRoute } from '../strategies/named-models.ts'
import type { Attempt, Candidate, CandidateView, DialectName, Handler, Services } from '../types.ts'
import type { Strategy } from '../strategies/strategy.ts'

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
  /** The most a call may cost, in nano-USD. */
  readonly maxCostNanoUsd: number | undefined
}

/** Every name that a caller may ask for. */
export interface RouteTable {
  find(name: string): Route | undefined
  readonly names: readonly string[]
  /** Every model by itself, as on the route of its own name. */
  readonly models: readonly Candidate[]
  /** Every model as it stands on every route, those of its own name included. */
  readonly everywhere: readonly Candidate[]
}

/** What models are connected with. */
export interface ModelServices extends Services {
  readonly events: EventBus
  readonly states: ModelStates
  readonly admission: Admission
  readonly prices: PriceBook
  readonly connections: Connections
  readonly overdue: Overdue
}

interface Model {
  readonly name: string
  readonly options: ModelOptions
  readonly providerName: string
  readonly dialects: readonly DialectName[]
  readonly connected: ConnectedModel
  readonly send: Handler<Attempt>
}

interface Parts {
  readonly models: ReadonlyMap<string, Model>
  readonly options: RouterOptions
  readonly services: ModelServices
}

/** Connects every model and builds every route, the models' own names included. */
export function createRouteTable(options: RouterOptions, services: ModelServices): RouteTable {
  const models = new Map(
    Object.entries(options.models).map(([name, model]) => [name, connectModel(name, model, options, services)]),
  )
  const parts = { models, options, services }
  const routes = new Map<string, Route>()
  const alone = [...models.keys()].map((name) => createRoute(name, { models: [name] }, parts))
  for (const route of alone) routes.set(route.name, route)
  for (const [name, route] of Object.entries(options.routes ?? {})) routes.set(name, createRoute(name, route, parts))
  const names = [...new Set([...Object.keys(options.routes ?? {}), ...models.keys()])]
  return {
    find: (name) => routes.get(name),
    names,
    models: candidatesOf(alone),
    everywhere: candidatesOf([...alone, ...routes.values()]),
  }
}

const candidatesOf = (routes: readonly Route[]) => routes.flatMap(({ candidates }) => [...candidates.values()])

function connectModel(name: string, options: ModelOptions, top: RouterOptions, services: ModelServices): Model {
  const provider = providerOf(options)
  const { timeouts } = resolveSettings(options.reasoning ?? false, top, options)
  const { learned, limiter } = services.admission
  const group = `model:${name}`
  const context = {
    ...services,
    name,
    connectMs: timeouts.connectMs,
    maxResponseBytes: top.maxResponseBytes ?? defaultMaxBodyBytes,
    onHeaders: (headers: UpstreamHeaders, sentMs: number) => {
      const pauseMs = parseRetryAfterMs(headers, services.clock.wallTime()).delayMs
      learned.observe(group, headers, { sentMs, pauseMs })
      limiter.recheck(group)
    },
  }
  const isOurs = isOwn(provider)
  const connected = isOurs ? provider.connect(options, context) : connectForeign(provider, options, context)
  const send = isOurs ? connected.send : heldToPromise(connected.send, services)
  const dialects = Object.freeze([connected.dialects ?? provider.dialect].flat())
  return { name, options, providerName: provider.name, dialects, connected, send }
}

function createRoute(name: string, route: RouteOptions, parts: Parts): Route {
  const listed = (route.models ?? modelsOfRoute(route)).map((entry) =>
    typeof entry === 'string' ? { model: entry } : entry,
  )
  const fallback = route.fallback ?? []
  const ranked = listed.map(({ model, weight }) => createCandidate(parts.models.get(model)!, weight, route, parts))
  const reserve = fallback.filter((model) => !ranked.some((candidate) => candidate.name === model))
  const candidates = [
    ...ranked,
    ...reserve.map((model) => createCandidate(parts.models.get(model)!, undefined, route, parts)),
  ]
  const ofCall = (reasoning: boolean) => resolveSettings(reasoning, parts.options, route)
  return {
    name,
    strategy: createStrategy(route.strategy, parts.services, parts.options.plugins || []),
    views: ranked,
    fallback,
    candidates: new Map(candidates.map((candidate) => [candidate.name, candidate])),
    callMs: Math.max(...candidates.map(({ reasoning }) => ofCall(reasoning).timeouts.callMs)),
    maxAttemptsPerCall: ofCall(false).retry.maxAttemptsPerCall,
    maxCostNanoUsd: route.maxCostUsd === undefined ? undefined : Number(nanoUsdOf(route.maxCostUsd)),
  }
}

function createCandidate(
  model: Model,
  weight: number | undefined,
  route: RouteOptions,
  { options: top, services }: Parts,
): Candidate {
  const { name, options, providerName, connected } = model
  const settings = resolveSettings(options.reasoning ?? false, top, route, options)
  const domain = options.domain ?? connected.domain
  const providersName = options.model ?? name
  const state = services.states.of({ name, model: providersName, domain }, settings)
  const ownWeight = weight ?? options.weight ?? 1
  return Object.freeze({
    name,
    provider: providerName,
    model: providersName,
    tags: Object.freeze([...(options.tags ?? [])]),
    domain,
    reasoning: options.reasoning ?? false,
    contextWindow: options.contextWindow,
    maxOutputTokens: options.maxOutputTokens,
    tools: options.tools,
    modalities: options.modalities && Object.freeze([...options.modalities]),
    settings,
    state,
    retryBudget: services.states.budgetOf(domain, settings),
    account: connected.domain,
    dialects: model.dialects,
    quirks: connected.quirks,
    send: inAnyDialect(model.send, model.dialects, connected.quirks !== undefined),
    verify: connected.verify,
    get price() {
      return services.prices.priceOf(name, services.clock.wallTime())
    },
    get weight() {
      return ownWeight * state.penalty.share
    },
    get health() {
      return state.healthState
    },
    get breaker() {
      return state.breaker?.state ?? 'closed'
    },
    get readyInMs() {
      return state.readyInMs()
    },
  })
}
