import { callOnRoute } from '../call.ts'
import type { Clock } from '../clock.ts'
import { decide, looksOf } from './decide.ts'
import { factsOf } from './decision.ts'
import { SignalboxError, isRefusal, isSignalboxError } from '../errors.ts'
import type { EventBus } from '../events.ts'
import type { RouteHook, TryCandidate } from '../plugin.ts'
import type { AttemptRecord } from '../record.ts'
import type { Route, RouteTable } from './route-table.ts'
import { tryInTurn } from './try-in-turn.ts'
import type { Attempt, Call, Candidate, CandidateView, Handler, Reply } from '../types.ts'
import type { Outcome, Ranked } from '../strategies/strategy.ts'

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
  return async function answerByRoute(asked) {
    const route = parts.routes.find(asked.route)!
    const call = callOnRoute(asked, route)
    let ranked: readonly Ranked[]
    try {
      const ranking = rank(call, route, parts.clock)
      ranked = ranking instanceof Promise ? await ranking : ranking
    } finally {
      // After the decision: tokens are then counted where it needed them.
      if (parts.events.heard('call.ended')) call.record.facts = factsOf(call)
    }
    const first = route.candidates.get(ranked[0]!.name)!
    tellTaken(call, route, { ranked, events: parts.events })
    if (first.health === 'unhealthy' && parts.events.heard('last.resort')) {
      parts.events.emit('last.resort', { callId: call.id, route: route.name, model: first.name, health: first.health })
    }
    const attempt = tryCandidates(call, route, ranked, parts)
    return await (route.strategy.route?.(call, ranked, attempt, run) ?? run(call, ranked, attempt))
  }
}

/** Decides on a call as things look now. */
export function rank(call: Call, route: Route, clock: Clock): ReturnType<typeof decide> {
  return decide(call, route, { now: clock.now(), looks: looksOf(route) })
}

/**
 * Tells the strategy which of its models has the turn, and against which others: those that looked as well and could start.
 * So the turns of a model that is kept out go to all others alike, and it is owed none when it is back.
 */
function tellTaken(
  call: Call,
  route: Route,
  { ranked, events }: { readonly ranked: readonly Ranked[]; readonly events: EventBus },
): void {
  if (!route.strategy.observe) return
  const listed = ranked.map(({ name }) => route.candidates.get(name)!).filter((one) => route.views.includes(one))
  const taken = takenFrom(listed, call)
  if (taken) tell(route, taken, events)
}

/** Which of a strategy's models, as they are ranked, has the turn, and against which others; undefined where none is left. */
export function takenFrom(listed: readonly CandidateView[], call: Call): Outcome | undefined {
  const ready = listed.filter(({ readyInMs }) => readyInMs === 0)
  const able = ready.length > 0 ? ready : listed
  const [first] = able
  if (!first) return undefined
  const candidates = able.filter(({ health }) => health === first.health)
  const { assessment } = call.record
  const taken = { type: 'taken', name: first.name, candidates, call } as const
  return assessment === undefined ? taken : { ...taken, assessment }
}

/** Tells a strategy what happened. What it throws never touches the call. */
export function tell({ strategy }: Route, outcome: Outcome, events: EventBus): void {
  try {
    strategy.observe?.(outcome)
  } catch (error) {
    tellFailed(`The strategy "${strategy.name}" failed to observe`, error, events)
  }
}

function tellFailed(what: string, error: unknown, events: EventBus): void {
  const why = error instanceof Error ? error.message : String(error)
  events.emit('warning', { kind: 'plugin_failed', message: `${what}: ${why}` })
}

/** Gives a route hook its way to try a candidate: it enters the attempt ring, and tells when one model takes over from another. */
function tryCandidates(call: Call, route: Route, ranked: readonly Ranked[], parts: RouteParts): TryCandidate {
  let failed: Failed | undefined

  function attempt(...[which, options = {}]: Parameters<TryCandidate>): Promise<Reply> {
    const candidate = route.candidates.get(typeof which === 'string' ? which : which.name)
    if (!candidate) return Promise.reject(strangerTried(which, route))
    const { aside, onSend } = options
    const { attempts } = call.record
    const tried = timesTried(candidate, attempts)
    const isSpent = options.mayWait === true && tried >= candidate.settings.retry.maxAttempts
    if (failed && (isSpent || attempts.length >= route.maxAttemptsPerCall)) return Promise.reject(failed.error)
    const tellSent = (entry: AttemptRecord) => {
      if (!aside) tellFailover(entry)
      try {
        onSend?.(entry)
      } catch (error) {
        tellFailed(`The hook of the route "${route.name}" failed to observe`, error, parts.events)
      }
    }
    const startedMs = parts.clock.now()
    if (route.strategy.observe && !aside) tell(route, { type: 'started', name: candidate.name, call }, parts.events)
    const answer = parts.tryOnce({
      call: aside ? { ...call, ...aside } : call,
      candidate,
      number: tried + 1,
      alternatives: aside ? [] : alternativesTo(candidate, ranked, route),
      mayWait: options.mayWait ?? true,
      signal: options.signal ? AbortSignal.any([call.signal, options.signal]) : call.signal,
      deadline: call.deadline,
      stallMs: Infinity,
      onSend: tellSent,
    })
    // What is asked besides is no answer to the call, and no strategy's choice.
    if (aside) return answer
    return answer.then(
      (reply) => {
        watch(candidate, reply, startedMs)
        return reply
      },
      (error: unknown) => {
        if (isSignalboxError(error) && !(failed && isRefusal(error))) failed = { name: candidate.name, error }
        const code = isSignalboxError(error) ? error.code : 'internal_error'
        const latencyMs = parts.clock.now() - startedMs
        tell(route, { type: 'ended', call, name: candidate.name, ok: false, code, latencyMs }, parts.events)
        throw error
      },
    )
  }

  attempt.candidates = route.candidates
  return attempt

  function watch({ name }: Candidate, reply: Reply, startedMs: number): void {
    if (!route.strategy.observe) return
    const { stream } = call.request.parameters
    const firstTokenMs = parts.clock.now() - startedMs
    void reply.ended.then(({ how, usage }) => {
      const latencyMs = parts.clock.now() - startedMs
      const left = how === 'cancelled' && { code: how }
      const late = how === 'cut' && parts.clock.now() >= call.deadline && { code: 'deadline_exceeded' }
      const outcome = {
        call,
        name,
        ok: how === 'complete',
        ...left,
        ...late,
        latencyMs,
        ...(stream && { firstTokenMs }),
        usage,
      }
      tell(route, { type: 'ended', ...outcome }, parts.events)
    })
  }

  /** Once for each that failed, when another one is asked. */
  function tellFailover({ model: to }: AttemptRecord): void {
    if (!failed || failed.name === to || failed.to === to) return
    failed.to = to
    const { name: from, error } = failed
    const failover = { callId: call.id, route: route.name, from, to, reason: error.code, time: parts.clock.wallTime() }
    call.record.failovers.push(failover)
    parts.events.emit('failover', failover)
  }
}

/** The last that failed, or the first that was kept back where none did; and who took over from it. */
interface Failed {
  readonly name: string
  readonly error: SignalboxError
  to?: string
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
