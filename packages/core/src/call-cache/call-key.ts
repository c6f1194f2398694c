import { LRUCache } from 'lru-cache'
import { keyOf } from '../cache/key.ts'
import { type CacheOptions, type CacheScope, cacheDefaults } from '../cache/settings.ts'
import type { RouterOptions } from '../config/options.ts'
import { hasLongNumber } from '../dialects/json.ts'
import { bufferOf } from '../buffer.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { SeenRequests } from './seen-requests.ts'
import type { Call, Identity } from '../types.ts'

/** What the keys made last may take, in characters. */
const maximumSize = 4 * 1024 * 1024

/**
 * Makes the keys of calls: those with one key may share an answer. It is made of all that changes the answer, in one order
 * whatever the caller's, so that it takes a while; what was sent before, letter by letter, has the key that it had.
 */
export function createCallKeys(
  { plugins, routes = {} }: RouterOptions,
  { per = cacheDefaults.per }: CacheOptions,
  { routes: table, seen }: { readonly routes: RouteTable; readonly seen: SeenRequests },
): (call: Call) => string {
  const known = new LRUCache<string, string>({
    maxSize: maximumSize,
    sizeCalculation: (key, name) => key.length + name.length,
  })

  const versionsOf = (route: string) =>
    [...(plugins || []), ...((Object.hasOwn(routes, route) && routes[route]!.plugins) || [])].map(
      ({ name, version }) => [name, version],
    )

  return function keyOfCall(call) {
    const { identity, route, dialect, headers, labels, madeBy } = call
    // Models are chosen by labels; and a call that a plugin makes goes without that plugin's hooks, and waits for no call
    // that waits for it.
    const who = [tenantOf(identity, per), labels, madeBy]
    const number = seen.numberOf(call)
    const name =
      number === undefined ? undefined : `${number} ${JSON.stringify([who, route, dialect, askedBy(headers)])}`
    const before = name === undefined ? undefined : known.get(name)
    if (before !== undefined) return before
    const key = keyOf([who, versionsOf(route), modelsOf(table, route), requestOf(call)])
    if (name !== undefined) known.set(name, key)
    return key
  }
}

/**
 * Who shares: never two that the host tells apart, unless it says that they may; and never two of whom one may be
 * answered by other models, or at another cost.
 */
export function tenantOf(identity: Identity, per: CacheScope): unknown {
  const { key, user, team, tier, latencySensitive, tags, routes, models, budgets, maxCostUsd } = identity
  if (per === 'all') return ['all', models, maxCostUsd]
  if (per !== 'identity') {
    const part = { key, user, team }[per]
    if (part !== undefined) return [per, part, models, maxCostUsd]
  }
  const all = { key, user, team, tier, latencySensitive, tags, routes, models, budgets, maxCostUsd }
  return ['identity', all satisfies { readonly [Name in keyof Required<Identity>]: unknown }]
}

function modelsOf(table: RouteTable, route: string) {
  return [...table.find(route)!.candidates.values()].map(({ name, provider, model, account }) => [
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
  const body = Object.entries(request.body).filter(([name]) => !manner.has(name))
  const text = bufferOf(request.bytes).toString()
  return [route, dialect, surface, askedBy(headers), Object.fromEntries(body), hasLongNumber(text) ? text : undefined]
}

/** The headers that change an answer: not those that say which trace a call is part of. */
function askedBy({ traceparent: _parent, tracestate: _state, ...asked }: Call['headers']) {
  return asked
}
