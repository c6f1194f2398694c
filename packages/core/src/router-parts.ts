import { createAdmission } from './admission.ts'
import { type AnswerCache, createAnswerCache } from './call-cache/answer-cache.ts'
import { asksForOneAnswer } from './call-cache/cached-calls.ts'
import { createCallKeys } from './call-cache/call-key.ts'
import { systemClock } from './clock.ts'
import type { RouterOptions } from './config/options.ts'
import { createEvents } from './events.ts'
import { type KeyRing, createKeyRing } from './keys/key-ring.ts'
import { createMemoryLedger } from './ledger/memory-ledger.ts'
import { createSqliteLedger } from './ledger/sqlite-ledger.ts'
import type { Ledger } from './ledger/types.ts'
import { createContentLog } from './log-content.ts'
import { createModelStates } from './routing/model-state.ts'
import { createBudgets } from './money/budget.ts'
import type { Opened } from './opened.ts'
import { createOverdue } from './hooks/overdue.ts'
import { type BuiltInServices, builtInPlugins } from './pipeline.ts'
import type { Plugin } from './plugin.ts'
import { policyOf } from './routing/policy.ts'
import { priceBookOf, pricesOf } from './money/priced-models.ts'
import { type Connections, createConnections } from './providers/connections.ts'
import { type Rings, createRings } from './rings.ts'
import { type RouteTable, createRouteTable } from './routing/route-table.ts'
import { type SeenRequests, createSeenRequests } from './call-cache/seen-requests.ts'
import { type OpenStore, openStore } from './store/open.ts'
import { tellOfOwnCounts } from './store/own-counts.ts'
import { createTreasury } from './treasury.ts'
import type { Parameters } from './types.ts'

/** Everything that a router consists of. */
export interface RouterParts {
  readonly options: RouterOptions
  /** Names the policy that decides. */
  readonly policy: string
  readonly store: OpenStore
  readonly services: CommonServices
  readonly connections: Connections
  readonly routes: RouteTable
  readonly seen: SeenRequests | undefined
  readonly cache: AnswerCache | undefined
  /** Ends what is asked behind the back of callers, while it can still be charged and written down. */
  endRefreshes(): Promise<void>
  /** Undefined where callers need no key. */
  readonly keyRing: KeyRing | undefined
  /** The user's, for all routes. */
  readonly plugins: readonly Plugin[]
  readonly everyPlugin: readonly Plugin[]
  readonly rings: Rings
}

/** What the parts are made with. */
type CommonServices = Omit<BuiltInServices, 'routes' | 'cache' | 'callKeyOf' | 'refreshing'>

/**
 * Makes what a router consists of. What it opens on the way, it notes in `opened`.
 *
 * @throws SignalboxError `invalid_config` for what cannot be opened, or does not go together
 */
export function createParts(options: RouterOptions, opened: Opened): RouterParts {
  const { clock = systemClock, logger } = options
  const events = createEvents(logger)
  const store = openStore(options.store || 'memory', {
    clock,
    onChange(change) {
      if (change.isUp) logger?.info({}, 'the store can be reached again')
      else logger?.warn({ err: change.error }, 'the store cannot be reached')
      events.emit('store.changed', change)
    },
  })
  opened.add(store.close)
  tellOfOwnCounts(options)
  const services = createServices(options, { clock, events, store, opened })
  const connections = createConnections(clock)
  opened.add(connections.close)
  const overdue = createOverdue(clock)
  opened.add(overdue.close)
  const states = createModelStates(services)
  const routes = createRouteTable(options, { ...services, connections, overdue, states })
  const seen = options.cache || options.fingerprints ? createSeenRequests(mayBeCachedIn(options)) : undefined
  const callKeyOf = seen && createCallKeys(options, options.cache || {}, { routes, seen })
  const cache = callKeyOf && createAnswerCache(options, { clock, events, keyOf: callKeyOf })
  opened.add(() => cache?.close())

  const refreshing = new AbortController()
  const fingerprintOf = options.fingerprints ? callKeyOf : undefined
  const builtIns = builtInPlugins({
    ...services,
    routes,
    cache,
    refreshing: refreshing.signal,
    callKeyOf: fingerprintOf,
  })
  const plugins = options.plugins || []
  const routePlugins = pluginsOfRoutes(options)
  const hookTimes = options.hookTimes ?? false
  return {
    options,
    policy: policyOf(options),
    store,
    services,
    connections,
    routes,
    seen,
    cache,
    async endRefreshes() {
      refreshing.abort()
      // What was under way is charged and written down within a turn of its end.
      if (cache) await new Promise((resolve) => setImmediate(resolve))
    },
    keyRing: options.keys ? createKeyRing(options.keys, { clock, onUnreadable: tellOfKeys(events) }) : undefined,
    plugins,
    // One that stands on several routes is one plugin still.
    everyPlugin: [...new Set([...builtIns, ...plugins, ...[...routePlugins.values()].flat()])],
    rings: createRings({ builtIns, plugins, routePlugins, routes, clock, events, overdue, hookTimes }),
  }
}

/** Says that keys are not what their file says: one that was to be revoked may be among them. */
const tellOfKeys = (events: Basics['events']) => (file: string) =>
  events.emit('warning', {
    kind: 'keys_unreadable',
    message: `The file of keys ${file} cannot be read, and the keys stay as they were; "signalbox keys list" says why`,
  })

/** Whether a request may be answered from a cache on any route. */
function mayBeCachedIn({ cache, routes = {} }: RouterOptions): (parameters: Parameters) => boolean {
  const settings = [cache, ...Object.values(routes).map((route) => route.cache)]
  return settings.some((one) => one && one.deterministicOnly === false) ? () => true : asksForOneAnswer
}

interface Basics extends Pick<CommonServices, 'clock' | 'events'> {
  readonly store: OpenStore
  readonly opened: Opened
}

function createServices(options: RouterOptions, basics: Basics): CommonServices {
  const { clock, events, opened } = basics
  const { store } = basics.store
  const prices = priceBookOf(options)
  const ledger = openLedger(options, { clock, events, prices })
  opened.add(() => ledger?.end())
  return {
    clock,
    random: options.random ?? Math.random,
    logger: options.logger,
    events,
    admission: createAdmission({
      store,
      clock,
      models: options.models,
      routes: options.routes ?? {},
      tiers: options.tiers ?? {},
      rules: options.limits || [],
      maximumWaiting: options.queue?.maximumWaiting ?? defaultMaximumWaiting,
    }),
    ledger,
    prices,
    treasury: createTreasury(createBudgets(options.budgets || [], store, clock), { store, events, clock }),
    capOutput: options.capOutput ?? true,
    contentLog: options.logContent ? createContentLog(options.logContent) : undefined,
    refusesLosses: options.untranslatable !== 'report',
    rejectsUnknownPrices: options.unknownPrice === 'reject',
  }
}

const defaultMaximumWaiting = 1_000

function openLedger(
  options: RouterOptions,
  { clock, events, prices: book }: Pick<CommonServices, 'clock' | 'events' | 'prices'>,
): Ledger | undefined {
  const { ledger: place } = options
  if (!place) return undefined
  const prices = pricesOf(options, clock, book)
  const onEntries = (callKeys: readonly string[]) => {
    if (events.heard('entry')) for (const callKey of callKeys) events.emit('entry', { callKey })
  }
  const onError = (error: unknown) => events.emit('ledger.failed', { error })
  return place === 'memory'
    ? createMemoryLedger({ clock, prices, onEntries })
    : createSqliteLedger({ file: place, clock, prices, onEntries, onError })
}

function pluginsOfRoutes({ routes = {} }: RouterOptions): ReadonlyMap<string, readonly Plugin[]> {
  const given = Object.entries(routes).flatMap(([name, { plugins }]) => (plugins ? [[name, plugins] as const] : []))
  return new Map(given)
}
