import { configError, dotted } from '../config/fault.ts'
import type { ApiKey, CommonModelOptions } from '../config/options.ts'
import { apiKey as sendable } from '../config/schema/basics.ts'
import { lowerCaseNames } from '../lower-case-names.ts'
import { secretsOf } from './secrets.ts'
import { isPromise } from '../store/after.ts'
import type { Attempt } from '../types.ts'
import type { Outgoing } from './exchange-options.ts'
import type { ModelContext } from './provider.ts'

/** The headers of every request to a model. */
export interface OutgoingHeaders {
  /** Of an attempt: the model's own, and of the caller's only those that were let through to here. */
  of(attempt: Attempt): Outgoing | Promise<Outgoing>
  /** Of a question that no caller asked. */
  idle(): Outgoing | Promise<Outgoing>
}

/** How a provider is told the key, and what else it wants to know. */
export interface HeaderStyle {
  /** The headers that hold the key. */
  key(key: string): Readonly<Record<string, string>>
  /** What holds unless a caller says otherwise. */
  readonly defaults?: Readonly<Record<string, string>>
}

/** The key as most providers take it. */
export const bearer: HeaderStyle = { key: (key) => ({ authorization: `Bearer ${key}` }) }

/**
 * The key of a model: its own, or the one that the environment has for its provider.
 *
 * @throws SignalboxError `invalid_config` for a variable whose text cannot be sent
 */
export function keyOf({ apiKey }: CommonModelOptions, variable: string, { name }: ModelContext): ApiKey | undefined {
  if (apiKey !== undefined) return apiKey
  const key = process.env[variable]
  if (key === undefined || sendable.safeParse(key).success) return key
  const fault = key === '' ? 'is empty' : 'has other characters than printable ones of ASCII without spaces'
  throw configError([{ path: dotted(['models', name, 'apiKey']), message: `${variable} ${fault}` }])
}

/** Makes the headers of a model's requests: ready made where nothing in them changes. */
export function outgoingHeaders({ apiKey, headers = {} }: CommonModelOptions, style: HeaderStyle): OutgoingHeaders {
  const configured = lowerCaseNames(headers)
  const fixed = {
    'content-type': 'application/json',
    'user-agent': 'signalbox',
    'accept-encoding': 'identity',
    ...configured,
  }
  const secrets = secretsOf(configured)

  const withKey = (callers: Readonly<Record<string, string>>, accept: string, key: string | undefined): Outgoing => {
    const own = key === undefined ? undefined : style.key(key)
    return {
      headers: { accept, ...style.defaults, ...callers, ...own, ...fixed },
      secrets: key === undefined ? secrets : [key, ...secrets],
    }
  }
  const make = (callers: Readonly<Record<string, string>>, accept: string): Outgoing | Promise<Outgoing> => {
    if (typeof apiKey !== 'function') return withKey(callers, accept, apiKey)
    const withChecked = (key: string) => withKey(callers, accept, checked(key))
    const key = apiKey()
    return isPromise(key) ? key.then(withChecked) : withChecked(key)
  }
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

/** What a function gave for a key. A file of a secret often ends in a line break. */
function checked(key: unknown): string {
  if (typeof key === 'string' && isSendable.test(key)) return key
  throw new TypeError('apiKey: expected a function that gives a key of printable ASCII characters without spaces')
}

const isSendable = /^[\x21-\x7e]+$/

const json = 'application/json'
const events = 'text/event-stream'

function isEmpty(headers: Readonly<Record<string, string>>): boolean {
  for (const name in headers) if (Object.hasOwn(headers, name)) return false
  return true
}
