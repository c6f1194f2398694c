import { chanceOf } from '../call.ts'
import { shown } from '../config/fault.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import { fitsNone, misfit } from './fit.ts'
import type { Price } from '../money/price.ts'
import type { CandidateRecord } from '../record.ts'
import type { Route } from './route-table.ts'
import type { Call, CandidateView } from '../types.ts'
import type { Ranked, Strategy } from '../strategies/strategy.ts'

/** A candidate as it looks at one instant: it may look otherwise at the next. A price is looked up when it is asked for. */
export class Look implements CandidateView {
  readonly name: string
  readonly provider: string
  readonly model: string
  readonly tags: readonly string[]
  readonly domain: string
  readonly reasoning: boolean
  readonly contextWindow: number | undefined
  readonly maxOutputTokens: number | undefined
  readonly tools: CandidateView['tools']
  readonly modalities: CandidateView['modalities']
  readonly weight: number
  readonly health: CandidateView['health']
  readonly breaker: CandidateView['breaker']
  readonly readyInMs: number
  readonly #view: CandidateView
  #price: Price | undefined

  /** @param seen how it looked when that was not now */
  constructor(view: CandidateView, seen: Partial<CandidateRecord> = {}) {
    this.name = view.name
    this.provider = view.provider
    this.model = view.model
    this.tags = view.tags
    this.domain = view.domain
    this.reasoning = view.reasoning
    this.contextWindow = view.contextWindow
    this.maxOutputTokens = view.maxOutputTokens
    this.tools = view.tools
    this.modalities = view.modalities
    this.weight = seen.weight ?? view.weight
    this.health = seen.health ?? view.health
    this.breaker = seen.breaker ?? view.breaker
    this.readyInMs = seen.readyInMs ?? view.readyInMs
    this.#view = view
    this.#price = seen.price
  }

  get price(): Price | undefined {
    return (this.#price ??= this.#view.price)
  }

  /** What is written down of it: the price only where it was looked at, now or when the decision was made that is made again. */
  record(ranked: Omit<Ranked, 'name'>): CandidateRecord {
    const { name, health, breaker, weight, readyInMs } = this
    const price = this.#price
    return { name, reason: '', ...ranked, health, breaker, weight, readyInMs, ...(price && { price }) }
  }
}

/** What a decision is made of besides the call and its route. */
export interface Circumstances {
  readonly now: number
  /** Every candidate of the route by its name. */
  readonly looks: ReadonlyMap<string, Look>
  /** What the strategy went by, where the decision is made again. @default what it gives now */
  readonly assessment?: unknown
}

/** The candidates of a route as they look now. */
export function looksOf({ candidates }: Route): ReadonlyMap<string, Look> {
  const looks = new Map<string, Look>()
  for (const candidate of candidates.values()) looks.set(candidate.name, new Look(candidate))
  return looks
}

/**
 * Ranks without touching anything: what `explain` shows, what a call then follows, and what a replay makes again. Filters
 * first (what the caller may use and takes the request: window, tools, modality), then ranks, then puts what does not look well behind what does. Writes it all into
 * the record.
 */
export function decide(call: Call, route: Route, given: Circumstances): readonly Ranked[] | Promise<readonly Ranked[]> {
  const { now, looks } = given
  const { strategy } = route
  const failed = (cause: unknown) => {
    throw strategyError(cause, route)
  }
  call.record.decidedMs = now
  call.record.strategy = strategy.name
  call.record.labels = call.labels
  let ranking: ReturnType<Strategy['rank']>
  try {
    const views = route.views.map(({ name }) => looks.get(name)!).filter((view) => isOpen(call, view))
    const { assessment = strategy.assess?.(call, views, { now }) } = given
    if (assessment !== undefined) call.record.assessment = assessment
    ranking = strategy.rank(call, views, {
      random: chanceOf(call),
      now,
      ...(assessment !== undefined && { assessment }),
    })
  } catch (cause) {
    return failed(cause)
  }
  return ranking instanceof Promise
    ? ranking.then((ranked) => settle(call, route, { ranked, looks }), failed)
    : settle(call, route, { ranked: ranking, looks })
}

function strategyError(cause: unknown, { strategy }: Route): SignalboxError {
  if (isSignalboxError(cause)) return cause
  return new SignalboxError('plugin_failed', `The strategy "${strategy.name}" failed`, { cause })
}

type Ranking = Pick<Circumstances, 'looks'> & { readonly ranked: readonly Ranked[] }

function settle(call: Call, route: Route, { ranked, looks }: Ranking): readonly Ranked[] {
  if (!Array.isArray(ranked) || !ranked.every(named)) throw noList(route, ranked)
  const listed = route.fallback.length === 0 ? ranked : withFallback(ranked, route)
  const lookOf = (one: Ranked) => looks.get(one.name) ?? stranger(one, route)
  const fitting = listed.filter((one) => isOpen(call, lookOf(one)))
  if (fitting.some((one) => lookOf(one).health !== 'healthy'))
    fitting.sort((a, b) => ailments[lookOf(a).health] - ailments[lookOf(b).health])
  call.record.candidates = fitting.map((one) => lookOf(one).record(one))
  if (fitting.length < looks.size) call.record.passedOver = passedOver(call, route, { ranked: fitting, looks })
  if (fitting.length === 0) throw nothingLeft(call, route)
  return fitting
}

function noList({ strategy }: Route, given: unknown): SignalboxError {
  const came = Array.isArray(given)
    ? `an array with ${shown(
        [],
        given.find((one) => !named(one)),
      )}`
    : shown([], given)
  const expected = 'expected some of the candidates that it was given, or { name } of them'
  return new SignalboxError(
    'plugin_failed',
    `The strategy "${strategy.name}" gave no list of models: ${expected}, got ${came}`,
  )
}

const named = (one: Partial<Ranked> | null | undefined) => one?.name !== undefined

function withFallback(ranked: readonly Ranked[], { fallback }: Route): readonly Ranked[] {
  const missing = fallback.filter((name) => !ranked.some((one) => one.name === name))
  return [...ranked, ...missing.map((name) => ({ name, reason: 'fallback' }))]
}

const ailments: Readonly<Record<CandidateView['health'], number>> = { healthy: 0, degraded: 1, unhealthy: 2 }

function passedOver(call: Call, { strategy }: Route, { ranked, looks }: Ranking): CandidateRecord[] {
  const taken = new Set(ranked.map(({ name }) => name))
  const reasonOf = (look: Look) => {
    if (!isAllowed(call, look)) return 'this caller may not use it'
    return misfit(call.request, look) ?? `left out by ${strategy.name}`
  }
  return [...looks.values()]
    .filter(({ name }) => !taken.has(name))
    .map((look) => look.record({ reason: reasonOf(look) }))
}

function stranger({ name }: Ranked, { name: route, strategy }: Route): never {
  const message = `The strategy "${strategy.name}" ranked ${JSON.stringify(name)}, which is not on the route "${route}"`
  throw new SignalboxError('plugin_failed', message)
}

const isAllowed = ({ identity: { models } }: Call, { name }: CandidateView) => !models || models.includes(name)
const isOpen = (call: Call, view: CandidateView) => isAllowed(call, view) && misfit(call.request, view) === undefined

function nothingLeft(call: Call, { candidates }: Route): SignalboxError {
  const reachable = [...candidates.values()].filter((view) => isAllowed(call, view))
  if (reachable.length === 0)
    return new SignalboxError('route_not_allowed', 'This caller may use no model of the route', { param: 'model' })
  if (reachable.some((view) => misfit(call.request, view) === undefined))
    return new SignalboxError('all_models_unavailable', 'No model of the route takes calls now')
  return fitsNone(call, reachable)
}
