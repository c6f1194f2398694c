import type { ApiKey, CommonModelOptions } from '../config/options.ts'
import { dialects } from '../dialects/index.ts'
import type { Attempt, DialectName } from '../types.ts'
import { exchange } from './exchange.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import { type HeaderStyle, outgoingHeaders } from './outgoing.ts'
import type { ConnectedModel, ModelContext } from './provider.ts'
import type { Quirks } from './quirks.ts'
import { verify } from './verify.ts'

/** Where a provider is found, and how it is spoken to. */
export interface Endpoint {
  readonly baseUrl: string
  readonly headers: HeaderStyle
  /** What it is spoken to in; the first is what others are translated into. */
  readonly dialects: readonly DialectName[]
  readonly quirks?: Quirks | undefined
  /** What stands between the base URL and a dialect's path, where the model is named there. */
  readonly prefix?: string
}

/** Makes a model of an endpoint over HTTP. */
export function connectEndpoint(
  { baseUrl, headers, dialects: spoken, quirks, prefix = '' }: Endpoint,
  options: CommonModelOptions,
  context: ModelContext,
): ConnectedModel {
  const url = new URL(baseUrl)
  const { origin, search } = url
  const base = url.pathname.replace(/\/+$/, '')
  const { connections, connectMs, clock, events, maxResponseBytes, onHeaders } = context
  const outgoing = outgoingHeaders(options, headers)
  const dispatcher = () => options.dispatcher ?? connections.pool(origin, connectMs)
  const optionsOf = (dialect: DialectName): ExchangeOptions => ({
    dialect: dialects[dialect],
    dispatcher,
    fresh: options.dispatcher ? undefined : () => connections.fresh(origin, connectMs),
    origin,
    path: `${base}${prefix}${dialects[dialect].path}${search}`,
    headers: (attempt) => outgoing.of(attempt),
    maxResponseBytes,
    onHeaders,
    clock,
    events,
  })
  const inDialect = new Map(spoken.map((dialect) => [dialect, optionsOf(dialect)]))
  return {
    dialects: spoken,
    quirks,
    domain: domainOf(origin + url.pathname, options.apiKey),
    send: (attempt: Attempt) => exchange(attempt, inDialect.get(attempt.call.dialect)!),
    async verify({ path: below, signal }) {
      const idle = await outgoing.idle()
      await verify({
        dispatcher: dispatcher(),
        origin,
        path: `${base}${below ?? '/models'}${search}`,
        headers: idle.headers,
        hasKey: idle.secrets.length > 0,
        signal,
        model: context.name,
        mayBePage: below !== undefined,
      })
    },
  }
}

const functionDomains = new WeakMap<() => unknown, number>()
let functions = 0

/** Base URL and key. The key stands in it as a short hash: a domain's name is shown. */
function domainOf(base: string, apiKey: ApiKey | undefined): string {
  if (apiKey === undefined) return base
  if (typeof apiKey === 'string') return `${base}#${hash(apiKey)}`
  if (!functionDomains.has(apiKey)) functionDomains.set(apiKey, ++functions)
  return `${base}#key-function-${functionDomains.get(apiKey)}`
}

function hash(text: string): string {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return (value >>> 0).toString(16).padStart(8, '0')
}
