import { type CachedAnswer, isCachedAnswer, largestAnswerBytes } from '../cache/answer.ts'
import { type Flights, createFlights } from '../cache/flights.ts'
import { type AnswerLayer, type LayerSize, layerMs } from '../cache/layer.ts'
import { createMemoryLayer } from '../cache/memory-layer.ts'
import { type CacheOptions, type CacheScope, type CacheSettings, cacheDefaults } from '../cache/settings.ts'
import { type SqliteLayerOptions, createSqliteLayer } from '../cache/sqlite-layer.ts'
import type { Clock } from '../clock.ts'
import type { RouterOptions } from '../config/options.ts'
import { dialects } from '../dialects/index.ts'
import type { EventBus } from '../events.ts'
import { usdOf } from '../money/usd.ts'
import type { CacheRecord } from '../record.ts'
import { inTime } from '../sleep.ts'
import { after, caught, isPromise } from '../store/after.ts'
import type { MaybePromise } from '../store/store.ts'
import type { Call } from '../types.ts'

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
  /** Who shares answers. */
  readonly per: CacheScope
  /** What holds on a route; undefined where nothing is cached. */
  settingsOf(route: string): CacheSettings | undefined
  /** The key of a call: calls with one key may share an answer. */
  keyOf(call: Call): string
  /**
   * What is kept under a key, at once where it is in memory: of the nearest layer that has what will do, or else the
   * newest of all.
   */
  find(key: string, willDo?: (answer: CachedAnswer) => boolean): MaybePromise<Found | undefined>
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
  readonly keyOf: (call: Call) => string
}

/** What is looked for, and which answer will do. */
interface Wanted {
  readonly key: string
  readonly willDo: (answer: CachedAnswer) => boolean
}

/** Calls under way that others may join. */
export function createCallFlights(clock: Clock): Flights {
  return createFlights({
    clock,
    maximumBytes: largestAnswerBytes,
    endOf: ({ dialect }, why) => dialects[dialect].errorEvent(why),
  })
}

/** Makes the cache of a router; undefined where the configuration has none. */
export function createAnswerCache(options: RouterOptions, services: CacheServices): AnswerCache | undefined {
  const { cache, routes = {} } = options
  if (!cache) return undefined
  const { clock, events, keyOf } = services
  const settings: CacheSettings = { ...cacheDefaults, ...cache }
  const own = new Map(
    Object.entries(routes).flatMap(([name, route]) =>
      route.cache === undefined ? [] : [[name, route.cache ? { ...settings, ...route.cache } : undefined] as const],
    ),
  )
  const failed = (error: unknown): undefined => {
    const why = error instanceof Error ? error.message : String(error)
    events.emit('warning', { kind: 'cache_failed', message: `The cache failed: ${why}` })
  }
  const maximumAgeMs = Math.max(...[settings, ...own.values()].map((of) => (of ? ttlMsOf(of) : 0)))
  const layers = layersOf(cache, { clock, maximumAgeMs, onError: failed })
  const counted = { hits: 0, stale: 0, joined: 0, misses: 0, bypasses: 0, bytes: 0, savedNanoUsd: 0n, savedMs: 0 }

  function settingsOf(route: string): CacheSettings | undefined {
    return own.has(route) ? own.get(route) : settings
  }

  /** Asks the layers from one on. */
  function findFrom(at: number, wanted: Wanted, newest?: Found): MaybePromise<Found | undefined> {
    const layer = layers[at]
    if (!layer) return newest
    return after(ask(layer, wanted.key), (answer) => {
      if (!answer) return findFrom(at + 1, wanted, newest)
      const found = newest && newest.answer.storedAt >= answer.storedAt ? newest : { answer, layer: layer.name }
      if (!wanted.willDo(answer)) return findFrom(at + 1, wanted, found)
      for (const nearer of layers.slice(0, at)) void tell(nearer, wanted.key, answer)
      return found
    })
  }

  /** While layers further away are asked, another call may get the answer. */
  function find(key: string, willDo: (answer: CachedAnswer) => boolean = () => true) {
    const found = findFrom(0, { key, willDo })
    if (!isPromise(found)) return found
    const nearest = layers[0]!
    return found.then((late) => {
      if (late && willDo(late.answer)) return late
      return after(ask(nearest, key), (answer) =>
        answer && answer.storedAt > (late?.answer.storedAt ?? -Infinity) ? { answer, layer: nearest.name } : late,
      )
    })
  }

  function ask(layer: AnswerLayer, key: string): MaybePromise<CachedAnswer | undefined> {
    try {
      const given = layer.get(key)
      if (!isPromise(given)) return checked(given, layer)
      return inTime(given, { limitMs: layerMs, clock, late: () => tooSlow(layer) })
        .then((answer) => checked(answer, layer))
        .catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  function checked(given: unknown, { name }: AnswerLayer): CachedAnswer | undefined {
    if (given === undefined || given === null) return undefined
    return isCachedAnswer(given) ? given : failed(new Error(`the layer "${name}" gave what is no answer`))
  }

  async function tell(layer: AnswerLayer, key: string, answer: CachedAnswer): Promise<void> {
    try {
      await layer.set(key, answer)
    } catch (error) {
      failed(error)
    }
  }

  function sizeOf(layer: AnswerLayer): LayerSize | undefined {
    try {
      return layer.size?.()
    } catch (error) {
      return failed(error)
    }
  }

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    for (const layer of layers) await caught(() => layer.close?.(), failed)
  }

  return {
    flights: createCallFlights(clock),
    per: cache.per ?? cacheDefaults.per,
    settingsOf,
    keyOf,
    find,
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
        layers: layers.map((layer) => ({ name: layer.name, ...sizeOf(layer) })),
      }
    },
    close: () => (closing ??= close()),
  }
}

const ttlMsOf = ({ ttlMs, staleWhileRevalidateMs }: CacheSettings) => ttlMs + staleWhileRevalidateMs

function layersOf(
  {
    maximumBytes = cacheDefaults.maximumBytes,
    file,
    maximumFileBytes = cacheDefaults.maximumFileBytes,
    layers = [],
  }: CacheOptions,
  context: Omit<SqliteLayerOptions, 'file' | 'maximumBytes'>,
): AnswerLayer[] {
  const shared = file ? [createSqliteLayer({ file, maximumBytes: maximumFileBytes, ...context })] : []
  return [createMemoryLayer({ maximumBytes }), ...shared, ...layers]
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

const tooSlow = ({ name }: AnswerLayer) => new Error(`the layer "${name}" took longer than ${layerMs} ms`)
