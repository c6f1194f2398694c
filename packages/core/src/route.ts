import { chanceOf } from './call.ts'
import type { Clock } from './clock.ts'
import { SignalboxError, type SignalboxErrorCode, isSignalboxError } from './errors.ts'
import type { EventBus } from './events.ts'
import type { RouteHook, TryCandidate } from './plugin.ts'
import type { AttemptRecord } from './record.ts'
import type { Route, RouteTable } from './route-table.ts'
import { after } from './store/after.ts'
import { tokensOf, withinWindow } from './tokens/request.ts'
import { tryInTurn } from './try-in-turn.ts'
import type { Attempt, Call, Candidate, CandidateView, Handler, Outcome, Ranked, Reply, Strategy } from './types.ts'

/** What the route is made of. */
export interface RouteParts {
  readonly routes: RouteTable
  /** The attempt ring with the model inside. */
  readonly tryOnce: Handler<Attempt>
  /** What a plugin put in place of trying in turn. */
  readonly hook: RouteHook | undefined
  readonly clock: Clock
  readonly events: EventBus
}

/** The end of the call ring: ranks the models, then tries them in turn, each through the attempt ring. */
export function createRouteHandler(parts: RouteParts): Handler<Call> {
  const run = parts.hook ?? tryInTurn
  return function answerByRoute(call) {
    const route = parts.routes.find(call.route)!
    try {
      return after(rank(call, route, parts.clock), (ranked) => answerBy(call, route, ranked))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function answerBy(call: Call, route: Route, ranked: readonly Ranked[]): Promise<Reply> {
    const first = route.candidates.get(ranked[0]!.name)!
    tellTaken(route, ranked, parts.events)
    if (first.health === 'unhealthy' && parts.events.heard('last.resort')) {
      parts.events.emit('last.resort', { callId: call.id, route: route.name, model: first.name, health: first.health })
    }
    return run(call, ranked, tryCandidates(call, route, ranked, parts))
  }
}

/**
 * Ranks without touching anything: what `explain` shows and what a call then follows. Filters first (what the request
 * fits into), then ranks, then puts what does not look well behind what does. Writes it all into the record.
 */
export function rank(call: Call, route: Route, clock: Clock): readonly Ranked[] | Promise<readonly Ranked[]> {
  const fitting = route.views.filter((view) => withinWindow(call.request, view))
  const failed = (cause: unknown) => {
    throw strategyError(cause, route)
  }
  let ranking: ReturnType<Strategy['rank']>
  try {
    ranking = route.strategy.rank(call, fitting, { random: chanceOf(call), now: clock.now() })
  } catch (cause) {
    return failed(cause)
  }
  return ranking instanceof Promise
    ? ranking.then((ranked) => settle(call, route, ranked), failed)
    : settle(call, route, ranking)
}

function strategyError(cause: unknown, { strategy }: Route): SignalboxError {
  if (isSignalboxError(cause)) return cause
  return new SignalboxError('plugin_failed', `The strategy "${strategy.name}" failed`, { cause })
}

/**
 * Tells the strategy which of its models has the turn, and against which others: those that looked as well and could start.
 * So the turns of a model that is kept out go to all others alike, and it is owed none when it is back.
 */
function tellTaken(route: Route, ranked: readonly Ranked[], events: EventBus): void {
  if (!route.strategy.observe) return
  const listed = ranked.map(({ name }) => route.candidates.get(name)!).filter((one) => route.views.includes(one))
  const ready = listed.filter(({ readyInMs }) => readyInMs === 0)
  const able = ready.length > 0 ? ready : listed
  const [first] = able
  if (!first) return
  const candidates = able.filter(({ health }) => health === first.health)
  tell(route, { type: 'taken', name: first.name, candidates }, events)
}

/** Tells a strategy what happened. What it throws never touches the call. */
function tell({ strategy }: Route, outcome: Outcome, events: EventBus): void {
  try {
    strategy.observe?.(outcome)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    events.emit('warning', {
      kind: 'plugin_failed',
      message: `The strategy "${strategy.name}" failed to observe: ${why}`,
    })
  }
}

function settle(call: Call, route: Route, ranked: readonly Ranked[]): readonly Ranked[] {
  const listed = route.fallback.length === 0 ? ranked : withFallback(ranked, route)
  const { models: allowed } = call.identity
  const reachable = allowed ? listed.filter(({ name }) => allowed.includes(name)) : listed
  const fitting = reachable.filter((one) => withinWindow(call.request, viewOf(one, route)))
  // How a model looks is worked out when it is asked for, so each is asked once.
  const looks = fitting.map((one) => recordOf(one, viewOf(one, route)))
  if (looks.some(({ health }) => health !== 'healthy')) {
    const ailing = new Map(looks.map(({ name, health }) => [name, ailments[health]]))
    const byHealth = (a: Ranked, b: Ranked) => ailing.get(a.name)! - ailing.get(b.name)!
    fitting.sort(byHealth)
    looks.sort(byHealth)
  }
  call.record.strategy = route.strategy.name
  call.record.candidates = looks
  if (fitting.length === 0) throw nothingLeft(call, route, { listed: listed.length, reachable: reachable.length })
  return fitting
}

function withFallback(ranked: readonly Ranked[], { fallback }: Route): readonly Ranked[] {
  const missing = fallback.filter((name) => !ranked.some((one) => one.name === name))
  return [...ranked, ...missing.map((name) => ({ name, reason: 'fallback' }))]
}

function viewOf(ranked: Ranked, route: Route): CandidateView {
  const view = route.candidates.get(ranked.name)
  if (!view) throw strangerError(ranked, route)
  return view
}

const ailments: Readonly<Record<CandidateView['health'], number>> = { healthy: 0, degraded: 1, unhealthy: 2 }

const recordOf = ({ name, reason = '' }: Ranked, { health, breaker, weight }: CandidateView) => ({
  name,
  reason,
  health,
  breaker,
  weight,
})

function strangerError({ name }: Ranked, { name: route, strategy }: Route): SignalboxError {
  const message = `The strategy "${strategy.name}" ranked ${JSON.stringify(name)}, which is not on the route "${route}"`
  return new SignalboxError('plugin_failed', message)
}

function nothingLeft(
  call: Call,
  { candidates }: Route,
  { listed, reachable }: { readonly listed: number; readonly reachable: number },
): SignalboxError {
  if (listed > 0 && reachable === 0)
    return new SignalboxError('route_not_allowed', 'This caller may use no model of the route', { param: 'model' })
  const views = [...candidates.values()]
  if (views.some((view) => withinWindow(call.request, view)) && listed === 0) {
    return new SignalboxError('all_models_unavailable', 'No model of the route takes calls now')
  }
  const { inputTokens, outputTokens, choices } = tokensOf(call.request)
  const answerTokens = outputTokens / choices
  const largest = Math.max(...views.map(({ contextWindow = 0 }) => contextWindow))
  const message = `The request needs about ${inputTokens + answerTokens} tokens (${inputTokens} in, ${answerTokens} out), and the largest context window is ${largest}`
  return new SignalboxError('context_length_exceeded', message, { param: 'messages' })
}

/** Gives a route hook its way to try a candidate: it enters the attempt ring, and tells when one model takes over from another. */
function tryCandidates(call: Call, route: Route, ranked: readonly Ranked[], parts: RouteParts): TryCandidate {
  let failed: { name: string; error: SignalboxError } | undefined

  function attempt(...[which, options = {}]: Parameters<TryCandidate>): Promise<Reply> {
    const candidate = route.candidates.get(typeof which === 'string' ? which : which.name)
    if (!candidate) return Promise.reject(strangerTried(which, route))
    const { attempts } = call.record
    if (failed && attempts.length >= route.maxAttemptsPerCall) return Promise.reject(failed.error)
    if (failed && failed.name !== candidate.name && candidate.readyInMs === 0)
      tellFailover(failed.name, candidate.name, failed.error.code)
    const startedMs = parts.clock.now()
    if (route.strategy.observe) tell(route, { type: 'started', name: candidate.name }, parts.events)
    const reply = parts.tryOnce({
      call,
      candidate,
      number: timesTried(candidate, attempts) + 1,
      alternatives: alternativesTo(candidate, ranked, route),
      mayWait: options.mayWait ?? true,
      signal: options.signal ? AbortSignal.any([call.signal, options.signal]) : call.signal,
      deadline: call.deadline,
      stallMs: Infinity,
    })
    return reply.then(
      (answer) => {
        watch(candidate, answer, startedMs)
        return answer
      },
      (error: unknown) => {
        if (!isSignalboxError(error)) throw error
        failed = { name: candidate.name, error }
        const latencyMs = parts.clock.now() - startedMs
        tell(route, { type: 'ended', name: candidate.name, ok: false, code: error.code, latencyMs }, parts.events)
        throw error
      },
    )
  }

  attempt.candidates = route.candidates
  return attempt

  function watch({ name }: Candidate, reply: Reply, startedMs: number): void {
    if (!route.strategy.observe) return
    const committedMs = parts.clock.now() - startedMs
    void reply.ended.then(({ how }) => {
      const latencyMs = parts.clock.now() - startedMs
      const left = how === 'cancelled' && { code: how }
      const outcome = { name, ok: how === 'complete', ...left, latencyMs, firstTokenMs: committedMs }
      tell(route, { type: 'ended', ...outcome }, parts.events)
    })
  }

  function tellFailover(from: string, to: string, reason: SignalboxErrorCode): void {
    const failover = { callId: call.id, route: route.name, from, to, reason, time: parts.clock.wallTime() }
    call.record.failovers.push(failover)
    parts.events.emit('failover', failover)
  }
}

function timesTried({ name }: Candidate, attempts: readonly AttemptRecord[]): number {
  let times = 0
  for (const { model } of attempts) if (model === name) times++
  return times
}

function strangerTried(which: Ranked | Candidate | string, route: Route): SignalboxError {
  const name = typeof which === 'string' ? which : which.name
  return new SignalboxError(
    'plugin_failed',
    `A route hook tried ${JSON.stringify(name)}, which is not on the route "${route.name}"`,
  )
}

function alternativesTo(candidate: Candidate, ranked: readonly Ranked[], route: Route): Candidate[] {
  const place = ranked.findIndex(({ name }) => name === candidate.name)
  return ranked.slice(place + 1).map(({ name }) => route.candidates.get(name)!)
}
