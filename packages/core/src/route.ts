import { chanceOf } from './call.ts'
import type { Clock } from './clock.ts'
import { SignalboxError, type SignalboxErrorCode, isSignalboxError } from './errors.ts'
import type { EventBus } from './events.ts'
import type { RouteHook, TryCandidate } from './plugin.ts'
import type { Route, RouteTable } from './route-table.ts'
import type { Attempt, Call, Candidate, Handler, Ranked, Reply } from './types.ts'

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
  return async function answerByRoute(call) {
    const route = parts.routes.find(call.route)!
    const ranking = rank(call, route, parts.clock)
    const ranked = ranking instanceof Promise ? await ranking : ranking
    const first = ranked[0]
    if (!first) throw new SignalboxError('all_models_unavailable', 'No model of the route takes calls now')
    noteTaken(route, first.name)
    return run(call, ranked, tryCandidates(call, route, ranked, parts))
  }
}

/** Ranks without touching anything: what `explain` shows and what a call then follows. Writes it into the record. */
export function rank(call: Call, route: Route, clock: Clock): readonly Ranked[] | Promise<readonly Ranked[]> {
  const ranking = route.strategy.rank(call, route.views, { random: chanceOf(call), now: clock.now() })
  return ranking instanceof Promise
    ? ranking.then((ranked) => settle(call, route, ranked))
    : settle(call, route, ranking)
}

function settle(call: Call, route: Route, ranked: readonly Ranked[]): readonly Ranked[] {
  const seen = new Set(ranked.map(({ name }) => name))
  const all = [
    ...ranked,
    ...route.fallback.filter((name) => !seen.has(name)).map((name) => ({ name, reason: 'fallback' })),
  ]
  const stranger = all.find(({ name }) => !route.candidates.has(name))
  if (stranger) {
    throw new SignalboxError(
      'plugin_failed',
      `The strategy "${route.strategy.name}" ranked ${JSON.stringify(stranger.name)}, which is not on the route "${route.name}"`,
    )
  }
  call.record.strategy = route.strategy.name
  call.record.candidates = all.map(({ name, reason = '' }) => ({ name, reason }))
  return all
}

function noteTaken(route: Route, name: string): void {
  if (route.views.some((view) => view.name === name))
    route.strategy.observe?.({ type: 'taken', name, candidates: route.views })
}

/** First those that can start now, in order; then those that only had to wait their turn. */
const tryInTurn: RouteHook = async (_call, ranked, attempt) => {
  const limited: Ranked[] = []
  let last: unknown
  for (const candidate of ranked) {
    try {
      return await attempt(candidate, { mayWait: false })
    } catch (error) {
      if (!isSignalboxError(error) || !error.movesOn) throw error
      if (error.code === 'rate_limit_exceeded') limited.push(candidate)
      last = error
    }
  }
  for (const candidate of limited) {
    try {
      return await attempt(candidate, { mayWait: true })
    } catch (error) {
      if (!isSignalboxError(error) || !error.movesOn) throw error
      last = error
    }
  }
  throw last
}

/** Gives a route hook its way to try a candidate: it enters the attempt ring, and tells when one model takes over from another. */
function tryCandidates(call: Call, route: Route, ranked: readonly Ranked[], parts: RouteParts): TryCandidate {
  let failed: { name: string; error: SignalboxError } | undefined

  return async function attempt(which, options = {}) {
    const candidate = candidateOf(which, route)
    if (failed && call.record.attempts.length >= route.maxAttemptsPerCall) throw failed.error
    if (failed && failed.name !== candidate.name) tellFailover(failed.name, candidate.name, failed.error.code)
    const startedMs = parts.clock.now()
    try {
      const reply = await parts.tryOnce({
        call,
        candidate,
        number: 1,
        alternatives: alternativesTo(candidate, ranked, route),
        mayWait: options.mayWait ?? true,
        signal: options.signal ? AbortSignal.any([call.signal, options.signal]) : call.signal,
        deadline: call.deadline,
        stallMs: Infinity,
      })
      watch(candidate, reply, startedMs)
      return reply
    } catch (error) {
      if (!isSignalboxError(error)) throw error
      failed = { name: candidate.name, error }
      route.strategy.observe?.({
        type: 'ended',
        name: candidate.name,
        ok: false,
        code: error.code,
        latencyMs: parts.clock.now() - startedMs,
      })
      throw error
    }
  }

  function watch({ name }: Candidate, reply: Reply, startedMs: number): void {
    if (!route.strategy.observe) return
    const committedMs = parts.clock.now() - startedMs
    void reply.ended.then(({ how }) =>
      route.strategy.observe!({
        type: 'ended',
        name,
        ok: how === 'complete',
        latencyMs: parts.clock.now() - startedMs,
        firstTokenMs: committedMs,
      }),
    )
  }

  function tellFailover(from: string, to: string, reason: SignalboxErrorCode): void {
    const failover = { callId: call.id, route: route.name, from, to, reason, time: parts.clock.wallTime() }
    call.record.failovers.push(failover)
    parts.events.emit('failover', failover)
  }
}

function candidateOf(which: Ranked | Candidate | string, route: Route): Candidate {
  const name = typeof which === 'string' ? which : which.name
  const candidate = route.candidates.get(name)
  if (candidate) return candidate
  throw new SignalboxError(
    'plugin_failed',
    `A route hook tried ${JSON.stringify(name)}, which is not on the route "${route.name}"`,
  )
}

function alternativesTo(candidate: Candidate, ranked: readonly Ranked[], route: Route): Candidate[] {
  const place = ranked.findIndex(({ name }) => name === candidate.name)
  return ranked.slice(place + 1).map(({ name }) => route.candidates.get(name)!)
}
