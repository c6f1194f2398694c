import type { CachedAnswer } from './cache/answer.ts'
import { readCacheControl } from './cache/cache-control.ts'
import { type Flights, createFlights } from './cache/flights.ts'
import { keyOf } from './cache/key.ts'
import type { AnswerLayer, LayerSize } from './cache/layer.ts'
import { createMemoryLayer } from './cache/memory-layer.ts'
import { type CacheOptions, type CacheScope, type CacheSettings, cacheDefaults } from './cache/settings.ts'
import { createSqliteLayer } from './cache/sqlite-layer.ts'
import type { Clock } from './clock.ts'
import type { RouterOptions } from './config/options.ts'
import { dialects } from './dialects/index.ts'
import { hasLongNumber } from './dialects/json.ts'
import { bufferOf } from './buffer.ts'
import { SignalboxError } from './errors.ts'
import type { EventBus } from './events.ts'
import { usdOf } from './money/usd.ts'
import type { CacheRecord } from './record.ts'
import type { RouteTable } from './route-table.ts'
import type { Call, Identity } from './types.ts'

/** How the cache has done since the router began. */
export interface CacheStatus {
  readonly hits: number
  /** Hits among them that got an old answer while a new one was made. */
  readonly stale: number
  /** Hits among them that shared a call under way. */
  readonly joined: number
  readonly misses: number
  readonly bypasses: number
  /** Bytes of answers that were not asked for again. */
  readonly bytes: number
  readonly savedUsd: string
  readonly savedMs: number
  readonly layers: readonly ({ readonly name: string } & Partial<LayerSize>)[]
}

/** The cache as calls meet it. */
export interface AnswerCache {
  readonly flights: Flights
  /** What holds on a route; undefined where nothing is cached. */
  settingsOf(route: string): CacheSettings | undefined
  /** The key of a call: calls with one key may share an answer. */
  keyOf(call: Call): string
  find(key: string): Promise<Found | undefined>
  keep(key: string, answer: CachedAnswer): void
  /** Writes down what the cache had to do with a call. */
  note(call: Call, outcome: CacheRecord): void
  status(): CacheStatus
  close(): Promise<void>
}

/** An answer, and where it was. */
export interface Found {
  readonly answer: CachedAnswer
  readonly layer: string
}

/** What a cache is made with. */
interface CacheServices {
  readonly clock: Clock
  readonly events: EventBus
  readonly routes: RouteTable
}

/** The largest answer that is kept while others may join it. */
const largestAnswerBytes = 8 * 1024 * 1024

/** Calls under way that others may join. */
export function createCallFlights(clock: Clock): Flights {
  return createFlights({
    clock,
    maximumBytes: largestAnswerBytes,
    endOf: ({ dialect, model }, why) => dialects[dialect].errorEvent(new SignalboxError(why, messages[why], { model })),
  })
}

const messages = {
  deadline_exceeded: "The call's time is up",
  stream_interrupted: 'The stream broke off',
} as const

/** Makes the cache of a router; undefined where the configuration has none. */
export function createAnswerCache(options: RouterOptions, services: CacheServices): AnswerCache | undefined {
  const { cache, routes = {} } = options
  if (!cache) return undefined
  const { clock, events } = services
  const settings: CacheSettings = { ...cacheDefaults, ...cache }
  const failed = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    events.emit('warning', { kind: 'cache_failed', message: `The cache failed: ${why}` })
  }
  const layers = layersOf(cache, settings, { clock, onError: failed })
  const counted = { hits: 0, stale: 0, joined: 0, misses: 0, bypasses: 0, bytes: 0, savedNanoUsd: 0n, savedMs: 0 }

  function settingsOf(route: string): CacheSettings | undefined {
    const own = Object.hasOwn(routes, route) ? routes[route]!.cache : undefined
    return own === false ? undefined : own ? { ...settings, ...own } : settings
  }

  async function ask(layer: AnswerLayer, key: string): Promise<CachedAnswer | undefined> {
    try {
      return await layer.get(key)
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  async function tell(layer: AnswerLayer, key: string, answer: CachedAnswer): Promise<void> {
    try {
      await layer.set(key, answer)
    } catch (error) {
      failed(error)
    }
  }

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    for (const layer of layers) await layer.close?.()
  }

  return {
    flights: createCallFlights(clock),
    settingsOf,
    keyOf: createCallKey(options, services.routes),
    async find(key) {
      for (const [index, layer] of layers.entries()) {
        const answer = await ask(layer, key)
        if (!answer) continue
        for (const nearer of layers.slice(0, index)) void tell(nearer, key, answer)
        return { answer, layer: layer.name }
      }
      return undefined
    },
    keep: (key, answer) => layers.forEach((layer) => void tell(layer, key, answer)),
    note(call, outcome) {
      call.record.cache = outcome
      count(counted, outcome)
      if (events.heard('cache')) events.emit('cache', { callId: call.id, route: call.route, ...outcome })
    },
    status() {
      const { savedNanoUsd, ...rest } = counted
      return {
        ...rest,
        savedUsd: usdOf(savedNanoUsd),
        layers: layers.map((layer) => ({ name: layer.name, ...layer.size?.() })),
      }
    },
    close: () => (closing ??= close()),
  }
}

/** Makes the keys of calls: those with one key may share an answer. */
export function createCallKey(
  { cache, routes = {}, plugins }: RouterOptions,
  table: RouteTable,
): (call: Call) => string {
  const { per = cacheDefaults.per } = cache || {}
  return (call) =>
    keyOf([
      tenantOf(call.identity, per),
      versionsOf([...(plugins || []), ...((Object.hasOwn(routes, call.route) && routes[call.route]!.plugins) || [])]),
      modelsOf(table, call.route),
      requestOf(call),
    ])
}

/** Whether an answer may be kept for the next who ask: some ask for another one each time. */
export function mayBeCached(
  { request: { parameters }, cacheControl }: Call,
  { deterministicOnly }: Pick<CacheSettings, 'deterministicOnly'>,
): boolean {
  if (readCacheControl(cacheControl).noStore) return false
  return !deterministicOnly || parameters.temperature === 0 || parameters.seed !== undefined
}

function layersOf(
  {
    maximumBytes = cacheDefaults.maximumBytes,
    file,
    maximumFileBytes = cacheDefaults.maximumFileBytes,
    layers = [],
  }: CacheOptions,
  { ttlMs, staleWhileRevalidateMs }: CacheSettings,
  context: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): AnswerLayer[] {
  const shared = file
    ? [
        createSqliteLayer({
          file,
          maximumBytes: maximumFileBytes,
          maximumAgeMs: ttlMs + staleWhileRevalidateMs,
          ...context,
        }),
      ]
    : []
  return [createMemoryLayer({ maximumBytes }), ...shared, ...layers]
}

/** Who shares: never two that the host tells apart, unless it says that they may. */
export function tenantOf({ key, user, team, tier, tags, routes, maxCostUsd }: Identity, per: CacheScope): unknown {
  if (per === 'all') return ['all']
  if (per !== 'identity') {
    const part = { key, user, team }[per]
    if (part !== undefined) return [per, part]
  }
  return ['identity', { key, user, team, tier, tags, routes, maxCostUsd }]
}

const versionsOf = (plugins: readonly { readonly name: string; readonly version?: string }[]) =>
  plugins.map(({ name, version }) => [name, version])

function modelsOf(routes: RouteTable, route: string) {
  return [...routes.find(route)!.candidates.values()].map(({ name, provider, model, account }) => [
    name,
    provider,
    model,
    account,
  ])
}

/** Whether an answer comes as a stream is no part of what is asked. */
const manner: ReadonlySet<string> = new Set(['stream', 'stream_options', 'model'])

/** All of a request that changes its answer. Numbers that this machine would round count as they are written. */
export function requestOf({ route, dialect, surface, request, headers }: Call): unknown {
  const { traceparent: _parent, tracestate: _state, ...asked } = headers
  const body = Object.entries(request.body).filter(([name]) => !manner.has(name))
  const text = bufferOf(request.bytes).toString()
  return [route, dialect, surface, asked, Object.fromEntries(body), hasLongNumber(text) ? text : undefined]
}

type Counted = { -readonly [Name in keyof Omit<CacheStatus, 'layers' | 'savedUsd'>]: number } & { savedNanoUsd: bigint }

function count(counted: Counted, { outcome, bytes = 0, savedNanoUsd = 0, savedMs = 0 }: CacheRecord): void {
  if (outcome === 'miss') counted.misses++
  else if (outcome === 'bypass') counted.bypasses++
  else {
    counted.hits++
    if (outcome !== 'hit') counted[outcome]++
    counted.bytes += bytes
    counted.savedNanoUsd += BigInt(Math.round(savedNanoUsd))
    counted.savedMs += Math.round(savedMs)
  }
}
