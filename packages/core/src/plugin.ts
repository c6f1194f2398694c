import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { CallInit } from './call.ts'
import type { Clock, Random } from './clock.ts'
import { configError, shown } from './config/fault.ts'
import { SignalboxError, isSignalboxError } from './errors.ts'
import type { Events } from './events.ts'
import { isRecord } from './is-record.ts'
import type { Ledger } from './ledger/types.ts'
import type { PluginCommand, PluginPath } from './hooks/plugin-edges.ts'
import { functionFaults, pluginFaults } from './hooks/plugin-checks.ts'
import { readOptions } from './config/standard-schema.ts'
import { isPromise } from './store/after.ts'
import type { Store } from './store/store.ts'
import type { Attempt, Call, Candidate, CandidateView, Logger, Middleware, Reply } from './types.ts'
import type { AttemptRecord } from './record.ts'
import type { RankFunction, Ranked, Strategy } from './strategies/strategy.ts'

/** A step of the call ring. `pipeline.ts` shows their order. */
export type CallStage = 'observe' | 'identify' | 'guard' | 'classify' | 'cache' | 'admit'
/** A step of the attempt ring. `pipeline.ts` shows their order. */
export type AttemptStage = 'retry' | 'budget' | 'limiter' | 'breaker' | 'timeout' | 'meter'

/** A middleware with its place and its manners. */
export interface HookOptions<C> {
  readonly run: Middleware<C>
  /** Where in its ring it stands. Without one it stands outermost. */
  readonly stage?: (C extends Call ? CallStage : AttemptStage) | undefined
  /** Before (`pre`) or after (`post`) all others of its stage. */
  readonly enforce?: 'pre' | 'post' | undefined
  /** Names of plugins of the same ring that it must stand outside of. A name that is not there is ignored. */
  readonly before?: string | readonly string[] | undefined
  /** Names of plugins of the same ring that it must stand inside of. A name that is not there is ignored. */
  readonly after?: string | readonly string[] | undefined
  /** How long it may take by itself, in milliseconds, the time inside `next` not counted. @default until the call's deadline */
  readonly timeoutMs?: number | undefined
  /** When it throws or takes too long: refuse the call (`closed`), or go on without it (`open`). @default 'closed', and 'open' at `observe` */
  readonly onError?: 'open' | 'closed' | undefined
}

/** A place in a ring: a bare middleware, or one with its place named. */
export type Hook<C> = Middleware<C> | HookOptions<C>

/** Tries one candidate through the attempt ring. What a `route` hook has in hand. */
export interface TryCandidate {
  (
    candidate: Ranked | Candidate | string,
    options?: {
      readonly signal?: AbortSignal
      readonly mayWait?: boolean
      /**
       * Asks besides, with these parts of the call changed. It is charged to the call like any attempt; what it comes to is
       * no failover, and its answer is not the caller's: read it to its end, or cancel it.
       */
      readonly aside?: Partial<Pick<Call, 'request' | 'dialect' | 'headers'>>
      /**
       * Told of each attempt right before it is sent: of none where a limit, a budget or the model's breaker keeps it back.
       * What it throws never touches the call.
       */
      readonly onSend?: ((entry: AttemptRecord) => void) | undefined
    },
  ): Promise<Reply>
  /** Every candidate of the route, by name. */
  readonly candidates: ReadonlyMap<string, CandidateView>
}

/** Takes the place of the route: tries the ranked candidates as it sees fit. A reply that it does not return it must cancel. */
export type RouteHook = (call: Call, ranked: readonly Ranked[], attempt: TryCandidate) => Promise<Reply>

/** What a plugin is given when the router starts. */
export interface PluginServices {
  readonly clock: Clock
  readonly random: Random
  readonly events: Events
  readonly logger: Logger | undefined
  /** What limiter, breaker and budgets share: counts of one's own are kept here, under keys that begin with one's name. */
  readonly store: Store
  /** Every call with what it used and cost; undefined where none is kept. */
  readonly ledger: Ledger | undefined
  /** What the configuration holds under the plugin's name, as its `config` schema gave it. */
  readonly config: unknown
  /** The most that an attempt can cost, in nano-USD; undefined at a price that nobody knows. */
  costBoundNanoUsd(attempt: Attempt): number | undefined
  /**
   * The attempt with a limit on its output, where neither its request nor its model's configuration sets one: without, it
   * may cost more than its bound. As it is where `capOutput` is `false`.
   */
  boundOutput(attempt: Attempt): Attempt
  /**
   * Makes a call on behalf of another one: with its identity, its signal, what it wants of a cache and what is left of its
   * time, and without this plugin's own hooks. A reply that is not read to its end must be cancelled. What it rejects with
   * names the plugin, like anything else that fails in it.
   */
  handle(parent: Call, init: Pick<CallInit, 'body' | 'dialect' | 'timeoutMs' | 'maxCostUsd'>): Promise<Reply>
}

/** A named part of the router. Built-ins are plugins like any other. */
export interface Plugin {
  readonly name: string
  /** What distinguishes its answers from those of another version of it: it is part of every cache key. */
  readonly version?: string | undefined
  /** Plugins that must be there too. */
  readonly requires?: readonly string[] | undefined
  /** Runs once for a call. */
  readonly call?: Hook<Call> | undefined
  /** Runs for each candidate that is tried; inside `retry`, for each attempt. */
  readonly attempt?: Hook<Attempt> | undefined
  readonly route?: RouteHook | undefined
  /** Strategies that a configuration can ask for by name. */
  readonly strategies?: Readonly<Record<string, StrategyFactory>> | undefined
  /** What the configuration may hold under the plugin's name: any Standard Schema. It is asked also where there is nothing. */
  readonly config?: StandardSchemaV1 | undefined
  /** What it answers over HTTP, at `/plugins/NAME/...`. */
  readonly paths?: readonly PluginPath[] | undefined
  /** What `signalbox NAME COMMAND --config FILE` runs, by command. */
  readonly commands?: Readonly<Record<string, PluginCommand>> | undefined
  /** Called once by `createRouter`, in the order of registration. What it throws keeps the router from starting. */
  setup?(services: PluginServices): void
  /** Called once by `router.close()`, in reverse order. */
  close?(): void | Promise<void>
}

/** Makes a strategy of the options that stand beside its name. Every route gets its own. */
export type StrategyFactory = (options: Readonly<Record<string, unknown>>) => Strategy | RankFunction

/** A plugin that takes options. */
export interface PluginDeclaration<Schema extends StandardSchemaV1> {
  readonly name: string
  /** What it takes: any Standard Schema that answers at once. */
  readonly options: Schema
  create(options: StandardSchemaV1.InferOutput<Schema>): Omit<Plugin, 'name'>
}

/** Makes a plugin of its options. */
export type PluginFactory<Input = never> = (
  ...options: undefined extends Input ? [options?: Input] : [options: Input]
) => Plugin

/**
 * Declares a plugin. With a schema of its `options` it declares what makes one: a function of those options.
 *
 * @throws SignalboxError `invalid_config` when it is not one, with every fault and what came instead; and from the function,
 * for options that the schema refuses, and `plugin_failed` for what `create` throws.
 * @example
 * const region = definePlugin({
 *   name: 'region',
 *   options: z.object({ region: z.string() }),
 *   create: ({ region }) => ({
 *     call: (call, next) => next({ ...call, state: { ...call.state, region } }),
 *   }),
 * })
 * createRouter({ models, plugins: [region({ region: 'eu' })] })
 */
export function definePlugin<Schema extends StandardSchemaV1>(
  declaration: PluginDeclaration<Schema>,
): PluginFactory<StandardSchemaV1.InferInput<Schema>>
export function definePlugin(plugin: Plugin): Plugin
export function definePlugin(given: Plugin | PluginDeclaration<StandardSchemaV1>): Plugin | PluginFactory<unknown> {
  const name: unknown = given?.name
  if (typeof name !== 'string' || name === '')
    throw configError(
      [{ path: 'name', message: `expected a text that is not empty, got ${shown([], name)}` }],
      'A plugin',
    )
  if (!('create' in given)) return checked(given)
  checkFunctions(name, { create: given.create })
  return (options?: unknown) => {
    const made = madeBy(given, readOptions(given.options, options, `plugin "${name}"`))
    return checked({ ...made, name: given.name })
  }
}

/**
 * Checks the functions that a plugin is made of.
 *
 * @throws SignalboxError `invalid_config`
 */
export function checkFunctions(name: string, parts: object): void {
  const faults = functionFaults(parts)
  if (faults.length > 0) throw configError(faults, `The plugin "${name}"`)
}

function madeBy({ name, create }: PluginDeclaration<StandardSchemaV1>, options: unknown): Omit<Plugin, 'name'> {
  let made: unknown
  try {
    made = create(options)
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SignalboxError('plugin_failed', `The plugin "${name}" could not be made: ${why}`, { plugin: name, cause })
  }
  if (isPromise(made)) made.catch(() => undefined)
  else if (isRecord(made)) return made
  const got = isPromise(made) ? 'a promise' : shown([], made)
  throw configError([{ path: 'create', message: `expected the parts of a plugin, got ${got}` }], `The plugin "${name}"`)
}

function checked(plugin: Plugin): Plugin {
  const faults = pluginFaults(plugin)
  if (faults.length > 0) throw configError(faults, `The plugin "${plugin.name}"`)
  return plugin
}
