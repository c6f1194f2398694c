import type { Clock } from './clock.ts'
import { SignalboxError } from './errors.ts'
import type { Events } from './events.ts'
import type { Attempt, Call, Candidate, CandidateView, Logger, Middleware, Ranked, Reply } from './types.ts'

/** A step of the call ring. `pipeline.ts` shows their order. */
export type CallStage = 'observe' | 'identify' | 'guard' | 'classify' | 'cache' | 'admit'
/** A step of the attempt ring. `pipeline.ts` shows their order. */
export type AttemptStage = 'retry' | 'budget' | 'limiter' | 'breaker' | 'timeout' | 'meter'

/** A middleware with its place and its manners. */
export interface HookOptions<C> {
  readonly run: Middleware<C>
  /** Where in its ring it stands. Without one it stands outermost. */
  readonly stage?: C extends Call ? CallStage : AttemptStage
  /** Before (`pre`) or after (`post`) all others of its stage. */
  readonly enforce?: 'pre' | 'post'
  /** Names of plugins of the same ring that it must stand outside of. A name that is not there is ignored. */
  readonly before?: string | readonly string[]
  /** Names of plugins of the same ring that it must stand inside of. A name that is not there is ignored. */
  readonly after?: string | readonly string[]
  /** How long it may take by itself, in milliseconds, the time inside `next` not counted. @default no limit */
  readonly timeoutMs?: number
  /** When it throws or takes too long: refuse the call (`closed`), or go on without it (`open`). @default 'closed', and 'open' at `observe` */
  readonly onError?: 'open' | 'closed'
}

/** A place in a ring: a bare middleware, or one with its place named. */
export type Hook<C> = Middleware<C> | HookOptions<C>

/** Tries one candidate through the attempt ring. What a `route` hook has in hand. */
export interface TryCandidate {
  (
    candidate: Ranked | Candidate | string,
    options?: { readonly signal?: AbortSignal; readonly mayWait?: boolean },
  ): Promise<Reply>
  /** Every candidate of the route, by name. */
  readonly candidates: ReadonlyMap<string, CandidateView>
}

/** Takes the place of the route: tries the ranked candidates as it sees fit. A reply that it does not return it must cancel. */
export type RouteHook = (call: Call, ranked: readonly Ranked[], attempt: TryCandidate) => Promise<Reply>

/** What a plugin is given when the router starts. */
export interface PluginServices {
  readonly clock: Clock
  readonly events: Events
  readonly logger: Logger | undefined
}

/** A named part of the router. Built-ins are plugins like any other. */
export interface Plugin {
  readonly name: string
  /** Plugins that must be there too. */
  readonly requires?: readonly string[]
  /** Runs once for a call. */
  readonly call?: Hook<Call>
  /** Runs for each candidate that is tried; inside `retry`, for each attempt. */
  readonly attempt?: Hook<Attempt>
  readonly route?: RouteHook
  /** Called once by `createRouter`, in ring order. */
  setup?(services: PluginServices): void
  /** Called once by `router.close()`, in reverse order. */
  close?(): void | Promise<void>
}

const pluginKeys = new Set(['name', 'requires', 'call', 'attempt', 'route', 'setup', 'close'])

/**
 * Declares a plugin.
 *
 * @throws SignalboxError `invalid_config` when it is not one, saying what came instead.
 * @example
 * const region = definePlugin({
 *   name: 'region',
 *   call: (call, next) => next({ ...call, state: { ...call.state, region: 'eu' } }),
 * })
 */
export function definePlugin(plugin: Plugin): Plugin {
  const name: unknown = plugin?.name
  if (typeof name !== 'string' || name === '')
    throw invalid('a plugin', `a name that is a non-empty string, got ${show(name)}`)
  for (const key of Object.keys(plugin)) {
    if (!pluginKeys.has(key))
      throw invalid(`plugin "${name}"`, `one of ${[...pluginKeys].join(', ')}, got the key "${key}"`)
  }
  for (const ring of ['call', 'attempt'] as const) {
    const hook: unknown = plugin[ring]
    const run: unknown = typeof hook === 'object' && hook !== null ? (hook as HookOptions<unknown>).run : hook
    if (hook !== undefined && typeof run !== 'function')
      throw invalid(`plugin "${name}", ${ring}`, `a function or { run }, got ${show(hook)}`)
  }
  return plugin
}

function invalid(where: string, expected: string): SignalboxError {
  return new SignalboxError('invalid_config', `The configuration has a fault:\n  ${where}: expected ${expected}`)
}

const show = (value: unknown) =>
  typeof value === 'string' ? JSON.stringify(value) : value === null ? 'null' : typeof value
