import { SignalboxError } from '../errors.ts'
import type { ApiKey, CommonModelOptions, OpenAiCompatibleModelOptions } from '../config/options.ts'
import { dialects } from '../dialects/index.ts'
import { secretsOf } from '../secrets.ts'
import type { Attempt } from '../types.ts'
import { type ExchangeOptions, type Outgoing, exchange } from './exchange.ts'
import type { ConnectedModel, ModelContext, Provider } from './provider.ts'
import { verify } from './verify.ts'

/** Options of {@link openaiCompatible}. */
export type OpenAiCompatibleOptions = Omit<OpenAiCompatibleModelOptions, 'provider'>

/**
 * A model behind any endpoint that speaks OpenAI's chat completions.
 *
 * @example
 * openaiCompatible({ baseUrl: 'https://api.deepseek.com/v1', model: 'deepseek-chat', apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function openaiCompatible(options: OpenAiCompatibleOptions): OpenAiCompatibleModelOptions {
  return { ...options, provider: 'openai-compatible' }
}

/** Any endpoint that speaks OpenAI's chat completions. */
export const openaiCompatibleProvider: Provider<OpenAiCompatibleModelOptions> = {
  name: 'openai-compatible',
  dialect: 'openai-chat',
  connect: (options, context) => connectChat(options.baseUrl, options, context),
}

/** Makes a model of a base URL that speaks `openai-chat`. */
export function connectChat(baseUrl: string, options: CommonModelOptions, context: ModelContext): ConnectedModel {
  const url = new URL(baseUrl)
  const { origin } = url
  const base = url.pathname.replace(/\/+$/, '')
  const path = `${base}/chat/completions${url.search}`
  const { connections, connectMs, clock, events, maxResponseBytes, onHeaders } = context
  const outgoing = outgoingHeaders(options)

  const send = (attempt: Attempt) => {
    const exchangeOptions: ExchangeOptions = {
      attempt,
      dialect: dialects['openai-chat'],
      dispatcher: options.dispatcher ?? connections.pool(origin, connectMs),
      fresh: options.dispatcher ? undefined : () => connections.fresh(origin, connectMs),
      origin,
      path,
      headers: () => outgoing.of(attempt),
      maxResponseBytes,
      onHeaders,
      clock,
      events,
    }
    return exchange(exchangeOptions)
  }
  return {
    domain: domainOf(origin + url.pathname, options.apiKey),
    send,
    async verify({ path: below, signal }) {
      const { headers } = await outgoing.idle()
      const dispatcher = options.dispatcher ?? connections.pool(origin, connectMs)
      await verify({
        dispatcher,
        origin,
        path: `${base}${below ?? '/models'}${url.search}`,
        headers,
        signal,
        model: context.name,
        mayBePage: below !== undefined,
      })
    },
  }
}

interface OutgoingHeaders {
  /** Of an attempt: the model's own, and of the caller's only those that were let through to here. */
  of(attempt: Attempt): Outgoing | Promise<Outgoing>
  /** Of a question that no caller asked. */
  idle(): Outgoing | Promise<Outgoing>
}

function outgoingHeaders({ apiKey, headers = {} }: CommonModelOptions): OutgoingHeaders {
  const configured = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const fixed = {
    'content-type': 'application/json',
    'user-agent': 'signalbox',
    'accept-encoding': 'identity',
    ...configured,
  }
  const secrets = secretsOf(configured)

  const withKey = (callers: Readonly<Record<string, string>>, accept: string, key: string | undefined): Outgoing => {
    const own = key === undefined ? undefined : { authorization: `Bearer ${key}` }
    return {
      headers: { accept, ...callers, ...own, ...fixed },
      secrets: key === undefined ? secrets : [key, ...secrets],
    }
  }
  const make = (callers: Readonly<Record<string, string>>, accept: string): Outgoing | Promise<Outgoing> => {
    if (typeof apiKey !== 'function') return withKey(callers, accept, apiKey)
    const key = apiKey()
    return typeof key === 'string'
      ? withKey(callers, accept, key)
      : key.then((ready) => withKey(callers, accept, ready))
  }
  if (typeof apiKey === 'string') assertHeaderSafe(apiKey)
  const ready = typeof apiKey !== 'function' && {
    [events]: withKey({}, events, apiKey),
    [json]: withKey({}, json, apiKey),
  }
  return {
    of({ call }) {
      const accept = call.request.parameters.stream ? events : json
      return ready && isEmpty(call.headers) ? ready[accept] : make(call.headers, accept)
    },
    idle: () => make({}, json),
  }
}

const json = 'application/json'
const events = 'text/event-stream'

function isEmpty(headers: Readonly<Record<string, string>>): boolean {
  for (const name in headers) if (Object.hasOwn(headers, name)) return false
  return true
}

function assertHeaderSafe(key: string): void {
  if (/^[\x21-\x7e]+$/.test(key)) return
  throw new SignalboxError(
    'invalid_config',
    'The configuration has a fault:\n  apiKey: expected printable ASCII characters without spaces',
  )
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
