import { callOnRoute } from './call.ts'
import type { Clock } from './clock.ts'
import { compose } from './compose.ts'
import { factsOf } from './routing/decision.ts'
import type { EventBus } from './events.ts'
import { timeHook } from './hooks/hook-times.ts'
import { runHook } from './hooks/hook.ts'
import { type PlacedHook, type Ring, checkPlugins, orderHooks } from './order.ts'
import type { Overdue } from './hooks/overdue.ts'
import { pipeline } from './pipeline.ts'
import type { Plugin } from './plugin.ts'
import { plainReply } from './reply.ts'
import { createRouteHandler, rank } from './routing/route.ts'
import { routeHookOf } from './routing/route-hook.ts'
import type { RouteTable } from './routing/route-table.ts'
import type { Attempt, Call, Handler, Middleware } from './types.ts'

/** One line of the order in which hooks run. */
export interface OrderedHook {
  /** `route` for the hook that takes the place of the route, between the rings. */
  readonly ring: Ring | 'route'
  readonly plugin: string
  readonly stage: string
}

/** The two rings with the route between them, for calls of every route. */
export interface Rings {
  readonly answer: Handler<Call>
  /** Decides without sending. */
  readonly decide: Handler<Call>
  readonly order: readonly OrderedHook[]
  /** The order on each route that has plugins of its own. */
  readonly routeOrders: Readonly<Record<string, readonly OrderedHook[]>>
}

/** What rings are made of. */
export interface RingParts {
  readonly builtIns: readonly Plugin[]
  /** The user's, for all routes. */
  readonly plugins: readonly Plugin[]
  /** The user's, for one route, by its name. */
  readonly routePlugins: ReadonlyMap<string, readonly Plugin[]>
  readonly routes: RouteTable
  readonly clock: Clock
  readonly events: EventBus
  readonly overdue: Overdue
  readonly hookTimes: boolean
}

type Ringed = Pick<Rings, 'answer' | 'decide' | 'order'>

/**
 * Builds the rings: once for all routes, and once for each route with plugins of its own.
 *
 * @throws SignalboxError `invalid_config` for plugins that do not go together
 */
export function createRings(parts: RingParts): Rings {
  const { plugins, routePlugins } = parts
  const common = buildRings(plugins, parts)
  const own = new Map([...routePlugins].map(([route, more]) => [route, buildRings([...plugins, ...more], parts)]))
  if (own.size === 0) return { ...common, routeOrders: {} }
  const ringsOf = ({ route }: Call) => own.get(route) ?? common
  return {
    answer: (call) => ringsOf(call).answer(call),
    decide: (call) => ringsOf(call).decide(call),
    order: common.order,
    routeOrders: Object.fromEntries([...own].map(([route, { order }]) => [route, order])),
  }
}

function buildRings(plugins: readonly Plugin[], parts: RingParts): Ringed {
  const { builtIns, routes, clock, events, overdue, hookTimes } = parts
  const all = [...builtIns, ...plugins]
  checkPlugins(all)
  const isRoute = (name: string) => routes.find(name) !== undefined
  const ownNames = new Set(builtIns.map(({ name }) => name))
  const middleware = <C extends Call | Attempt>(ring: Ring, hooks: readonly PlacedHook<C>[]): Middleware<C>[] =>
    hooks.map((hook) => {
      const run = ownNames.has(hook.plugin) ? hook.run : runHook(hook, { ring, clock, events, overdue, isRoute })
      return hookTimes ? timeHook(ring, hook, run, clock) : run
    })

  const callHooks = orderHooks<Call>('call', all, pipeline)
  const attemptHooks = orderHooks<Attempt>('attempt', all, pipeline)
  const tryOnce = compose(middleware('attempt', attemptHooks), (attempt: Attempt) => attempt.candidate.send(attempt))
  const hook = routeHookOf(plugins, { clock, events, overdue, isRoute, hookTimes })
  const answerByRoute = createRouteHandler({ routes, tryOnce, hook, clock, events })
  return {
    answer: compose(middleware('call', callHooks), answerByRoute),
    decide: compose(middleware('call', callHooks.filter(decides)), async (call) => {
      const route = routes.find(call.route)!
      await rank(callOnRoute(call, route), route, clock)
      call.record.facts = factsOf(call)
      return plainReply({ status: 200, headers: {}, dialect: call.dialect, model: '', body: new Uint8Array(0) })
    }),
    order: [...orderOf('call', callHooks), ...routeOf(plugins), ...orderOf('attempt', attemptHooks)],
  }
}

/** Hooks that take part in a decision without sending: all but those that watch, keep or charge. A budget may choose the route. */
const decides = ({ plugin, stage }: PlacedHook<Call>) =>
  plugin === 'degrade' || (stage !== 'observe' && stage !== 'cache' && stage !== 'admit')

const routeOf = (plugins: readonly Plugin[]): OrderedHook[] =>
  plugins.flatMap(({ name, route }) => (route ? [{ ring: 'route', plugin: name, stage: 'route' }] : []))

function orderOf<C>(ring: Ring, hooks: readonly PlacedHook<C>[]): OrderedHook[] {
  return hooks.map(({ plugin, stage }) => ({ ring, plugin, stage: stage ?? 'outermost' }))
}
