import { type CallInit, type CallServices, childOf, createCall } from './call.ts'
import type { RouterOptions } from './config/options.ts'
import { validateConfig } from './config/validate.ts'
import { defaultMaxBodyBytes } from './config/defaults.ts'
import { SignalboxError, errorForAnother, isSignalboxError } from './errors.ts'
import type { Events } from './events.ts'
import { type Feedback, createFeedback } from './feedback.ts'
import { startProbes } from './health/prober.ts'
import { type FaceFetch, createFetch } from './http/fetch.ts'
import { nobody, readIdentity } from './identity.ts'
import { type Lifetime, createLifetime } from './lifetime.ts'
import { type Opened, createOpened } from './opened.ts'
import type { Plugin, PluginServices } from './plugin.ts'
import { setUpPlugins } from './hooks/plugin-life.ts'
import type { RecordedCall } from './routing/decision.ts'
import type { Ledger, LedgerAttempt } from './ledger/types.ts'
import { costBoundNanoUsd } from './money/cost-bound.ts'
import { boundOutput } from './tokens/limit-output.ts'
import type { CallRecord } from './record.ts'
import { type Redecided, redecide } from './replay/redecide.ts'
import { type Rerouted, reroute } from './replay/reroute.ts'
import type { OrderedHook } from './rings.ts'
import type { RouteTable } from './routing/route-table.ts'
import { type RouterParts, createParts } from './router-parts.ts'
import { readOptions } from './config/standard-schema.ts'
import { type RouterStatus, createStatus } from './status.ts'
import { strategyNames } from './strategies/index.ts'
import type { Call, Identity, Logger, Reply } from './types.ts'
import type { BudgetQuery, BudgetStatus } from './treasury.ts'
import { type Verified, probedModels, verifyModels } from './verify.ts'

/** A call that has begun. */
export interface BegunCall {
  /** What it decides and does, written as it happens. */
  readonly record: CallRecord
  readonly reply: Promise<Reply>
}

/** The router as one caller sees it. */
export interface CallerRouter {
  /** A `fetch` that answers in process: `new OpenAI({ fetch, apiKey: 'none' })`. Paths match after `/v1`. */
  readonly fetch: FaceFetch
  /** Answers a call. Rejects with a `SignalboxError`. */
  handle(init: Omit<CallInit, 'identity'>): Promise<Reply>
}

/** How the router closes. */
export interface CloseOptions {
  /** How long calls under way may take to end, in milliseconds; then they are cut. @default 30000 */
  readonly timeoutMs?: number
}

/** Routes calls to models. */
export interface Router extends Events {
  /** Answers a call. Rejects with a `SignalboxError`. */
  handle(init: CallInit): Promise<Reply>
  /**
   * Begins a call and gives its record at once.
   *
   * @throws SignalboxError when the request cannot be read, or the model is not there
   */
  begin(init: CallInit): BegunCall
  /** A `fetch` that answers in process, for a caller without identity. No API key is asked of it: give it to no server. */
  readonly fetch: FaceFetch
  /** The router for one caller. */
  as(identity: Identity): CallerRouter
  /** Decides on a call without sending it: its labels, and the models in their order with the reasons. Moves no state. */
  explain(init: CallInit): Promise<CallRecord>
  /**
   * Makes a recorded decision again, from what the ledger (or a log, by `recordedCall`) has of it: the same, byte for
   * byte, as long as the policy is the same. Sends nothing, and moves no state.
   */
  replay(recorded: RecordedCall): Promise<Redecided>
  /**
   * Decides on a recorded call by this router's own policy, as if it came now, and lets its strategy learn from the
   * attempts that were made. For a router that does nothing else: {@link simulate} makes one.
   */
  reroute(recorded: RecordedCall, attempts: readonly LedgerAttempt[]): Promise<Rerouted>
  /** Names the policy that decides: the same for the same models, routes and plugins. */
  readonly policy: string
  /** The hooks in the order in which they run, outermost first. */
  readonly order: readonly OrderedHook[]
  /** The same for each route that has plugins of its own. */
  readonly routeOrders: Readonly<Record<string, readonly OrderedHook[]>>
  /** The plugins that the configuration names, as registered. */
  readonly plugins: readonly Plugin[]
  /**
   * Who shows an API key: nobody in particular where the router has no keys.
   *
   * @throws SignalboxError `invalid_api_key`
   */
  identify(key: string | undefined): Identity
  /** Every name a caller may ask for: of all, or of those an identity may use. */
  names(identity?: Identity): readonly string[]
  /** What is known of the models now, and the last failovers. */
  status(): RouterStatus
  /** How the budgets stand that a caller spends from: what is used, held and left. */
  budgets(query?: BudgetQuery): Promise<readonly BudgetStatus[]>
  /**
   * Takes in how good the answer of a call was, from 0 (useless) to 1. The call goes by its key (`record.key`) or its id
   * (`x-request-id`, where of several calls the last counts). It is kept in the ledger with what was decided, told as the
   * event `feedback`, and learned from by the route's strategy. What is said later holds.
   *
   * @throws SignalboxError `invalid_body` for what is no score; `not_found` where no ledger is kept, or none of its calls
   * with this name was answered
   */
  feedback(call: string, score: number): Promise<Feedback>
  /** Asks every provider once, with a request that costs nothing, whether it is there and takes its key. */
  verify(): Promise<readonly Verified[]>
  /** Whether calls are taken: true until `close` is called. */
  readonly ready: boolean
  /** Every call with what it used and cost; undefined where none is kept. */
  readonly ledger: Ledger | undefined
  /** The logger of the configuration, for what no call tells of. */
  logger(): Logger | undefined
  /** What holds over HTTP. */
  readonly settings: {
    readonly maxRequestBytes: number
    readonly decisionHeaders: boolean
    readonly costHeader: boolean
    readonly maxCostHeader: boolean
  }
  /** Takes no more calls, waits for those under way, cuts what takes too long, and lets go of every connection. */
  close(options?: CloseOptions): Promise<void>
}

const defaultCloseMs = 30_000
const shutdownRetryAfterMs = 5_000

/**
 * Makes a router.
 *
 * @throws SignalboxError `invalid_config`, which lists every fault of the configuration with its path
 * @example
 * const router = createRouter({
 *   models: { fast: openai('gpt-4.1-mini'), strong: openai('gpt-4.1') },
 *   routes: { auto: { strategy: 'weighted', models: ['fast', { model: 'strong', weight: 0.2 }] } },
 * })
 */
export function createRouter(given: RouterOptions): Router {
  const options = validateConfig(given, strategyNames)
  const opened = createOpened()
  try {
    return routerOf(createParts(options, opened), opened)
  } catch (error) {
    void opened.letGo()
    throw error
  }
}

function routerOf(parts: RouterParts, opened: Opened): Router {
  const { options, services, routes, rings, plugins, cache, keyRing, policy } = parts
  const { clock, events, treasury, ledger } = services
  const lifetime = createLifetime(clock, async (drained) => {
    if (!drained) await parts.connections.destroy()
    await opened.letGo()
  })
  const { begin, start } = createCalls(parts, lifetime)
  const giveFeedback = createFeedback({ ledger, routes, events, clock })
  const status = createStatus({
    routes,
    events,
    admission: services.admission,
    budgets: options.budgets || [],
    opened: parts.store,
  })
  setUpPlugins(parts.everyPlugin, { opened, clock, events, servicesOf: servicesFor(parts, start) })
  opened.add(startProbes(probedModels(routes.everywhere), clock))
  opened.add(() => parts.endRefreshes())

  const router: Router = {
    begin,
    handle: async (init) => begin(init).reply,
    get fetch() {
      return createFetch(router)
    },
    as: (identity) => ({
      fetch: createFetch(router, identity),
      handle: async (init) => begin({ ...init, identity }).reply,
    }),
    async explain(init) {
      const callServices = { ...services, routes, policy, random: Math.random }
      const call = createCall(init, callServices, { end: new AbortController() })
      await rings.decide(call).catch((error: unknown) => {
        // Once it is decided, whoever reads an answer finds none: that is no failure of the decision.
        if (!call.record.facts) throw error
      })
      return call.record
    },
    replay: (recorded) => redecide(recorded, routes),
    reroute: (recorded, attempts) => reroute(recorded, attempts, { routes, policy, clock }),
    policy,
    order: rings.order,
    routeOrders: rings.routeOrders,
    plugins,
    identify: (key) => keyRing?.identify(key) ?? nobody,
    names: (identity = nobody) => namesFor(readIdentity(identity), routes),
    status: () => ({ ready: !lifetime.isOver, ...status(), ...(cache && { cache: cache.status() }) }),
    budgets: async ({ identity = nobody, ...query } = {}) =>
      treasury.read({ ...query, identity: readIdentity(identity) }),
    async feedback(call, score) {
      if (lifetime.isOver) throw shuttingDown()
      return giveFeedback(call, score)
    },
    verify: () => verifyModels(routes.models, clock),
    get ready() {
      return !lifetime.isOver
    },
    logger: () => services.logger,
    settings: settingsOf(options),
    ledger,
    on: events.on,
    close: ({ timeoutMs = defaultCloseMs } = {}) => lifetime.close(timeoutMs, shuttingDown),
  }
  return router
}

type Start = (init: CallInit, madeFor?: Call) => BegunCall

/** What begins calls: those from outside until the router closes, and those of plugins as long as they are open. */
function createCalls(
  { services, routes, seen, rings, policy }: RouterParts,
  lifetime: Lifetime,
): { begin: Start; start: Start } {
  const callServices: CallServices = { ...services, routes, seen, policy }

  async function run(call: Call, left: () => void): Promise<Reply> {
    try {
      const reply = await rings.answer(call)
      reply.ended.then(left, left)
      return reply
    } catch (error) {
      left()
      throw finalError(error, call.record)
    }
  }

  function begin(init: CallInit): BegunCall {
    if (lifetime.isOver) throw shuttingDown()
    return start(init)
  }

  function start(init: CallInit, madeFor?: Call): BegunCall {
    const active = lifetime.enter(init)
    try {
      const call = createCall(init, callServices, { end: active.end, madeFor })
      return { record: call.record, reply: run(call, active.left) }
    } catch (error) {
      active.left()
      throw error
    }
  }

  return { begin, start }
}

function servicesFor(
  { options, services, store: { store } }: RouterParts,
  start: Start,
): (plugin: Plugin) => PluginServices {
  const { clock, random, events, logger, ledger } = services
  return (plugin) => ({
    clock,
    random,
    events,
    logger,
    store,
    ledger,
    config: configOf(plugin, options),
    costBoundNanoUsd: (attempt) => costBoundNanoUsd(attempt, services),
    boundOutput: (attempt) => (services.capOutput ? boundOutput(attempt) : attempt),
    async handle(parent, init) {
      try {
        return await start(childOf(parent, init, { by: plugin.name, now: clock.now() }), parent).reply
      } catch (error) {
        throw isSignalboxError(error) ? errorForAnother(error, { plugin: plugin.name, cause: error }) : error
      }
    },
  })
}

/** What a plugin finds in the configuration under its name. */
function configOf({ name, config }: Plugin, options: RouterOptions): unknown {
  return config && readOptions(config, (options as unknown as Record<string, unknown>)[name], `plugin "${name}"`)
}

const namesFor = ({ routes: allowed, models }: Identity, routes: RouteTable) =>
  routes.names.filter(
    (name) =>
      (!allowed || allowed.includes(name)) &&
      (!models || models.some((model) => routes.find(name)!.candidates.has(model))),
  )

const settingsOf = (options: RouterOptions): Router['settings'] => ({
  maxRequestBytes: options.maxRequestBytes ?? defaultMaxBodyBytes,
  decisionHeaders: options.decisionHeaders ?? true,
  costHeader: options.costHeader ?? false,
  maxCostHeader: options.maxCostHeader ?? false,
})

const shuttingDown = () =>
  new SignalboxError('shutting_down', 'The server is shutting down', { retryAfterMs: shutdownRetryAfterMs })

/** What a caller of `handle` meets: always a `SignalboxError`, with what every attempt failed with. */
function finalError(error: unknown, { attempts }: CallRecord): SignalboxError {
  const known = isSignalboxError(error)
    ? error
    : new SignalboxError('internal_error', 'Something went wrong inside Signalbox', { cause: error })
  known.failures = attempts.flatMap(({ model, outcome, message = '', status }) =>
    outcome === 'ok' || outcome === 'pending'
      ? []
      : [{ model, code: outcome, message, ...(status !== undefined && { status }) }],
  )
  return known
}
