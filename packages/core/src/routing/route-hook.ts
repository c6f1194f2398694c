import { configError } from '../config/fault.ts'
import { timeHook } from '../hooks/hook-times.ts'
import { type HookContext, runHook } from '../hooks/hook.ts'
import type { Plugin, RouteHook, TryCandidate } from '../plugin.ts'
import { tryInTurn } from './try-in-turn.ts'
import type { Call, Middleware } from '../types.ts'

/** What running a route hook needs. */
interface RouteHookContext extends Omit<HookContext, 'ring'> {
  /** Whether the time that it takes is written down. */
  readonly hookTimes: boolean
}

/**
 * The route hook among plugins, run as every hook is: an attempt is what `next` is to others. Calls that its own plugin
 * made go the usual way.
 *
 * @throws SignalboxError `invalid_config` where there are several
 */
export function routeHookOf(plugins: readonly Plugin[], context: RouteHookContext): RouteHook | undefined {
  const hooked = plugins.filter(({ route }) => route !== undefined)
  if (hooked.length > 1) {
    const names = hooked.map(({ name }) => `"${name}"`).join(' and ')
    throw configError([{ path: 'plugins', message: `only one plugin can take the place of the route, got ${names}` }])
  }
  const [only] = hooked
  return only && runRoute(only, context)
}

function runRoute({ name: plugin, route }: Plugin, { hookTimes, ...context }: RouteHookContext): RouteHook {
  return function routeHook(call, ranked, attempt) {
    let asked: Parameters<TryCandidate> | undefined
    const run: Middleware<Call> = (given, next) => {
      const tried = (...which: Parameters<TryCandidate>) => {
        asked = which
        return next(given)
      }
      return route!(given, ranked, Object.assign(tried, { candidates: attempt.candidates }))
    }
    const hook = { plugin, run }
    const guarded = runHook<Call>(hook, { ...context, ring: 'call' })
    const timed = hookTimes ? timeHook<Call>('call', hook, guarded, context.clock) : guarded
    return timed(call, () => (asked ? attempt(...asked) : tryInTurn(call, ranked, attempt)))
  }
}
