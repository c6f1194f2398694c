import { type ConfigFault, configError, faultsBelow, shown } from '../config/fault.ts'
import type { ModelOptions } from '../config/options.ts'
import { dialects } from '../dialects/index.ts'
import { isSignalboxError } from '../errors.ts'
import { isPromise } from '../store/after.ts'
import type { ConnectedModel, ModelContext, Provider } from './provider.ts'

/**
 * Makes a model of a provider that is not of this package, and checks both.
 *
 * @throws SignalboxError `invalid_config` with every fault of the provider, and what came instead
 */
export function connectForeign(
  provider: Provider<ModelOptions>,
  options: ModelOptions,
  context: ModelContext,
): ConnectedModel {
  const place = `models.${context.name}.provider`
  const ofProvider = [...textFaults('name', provider.name), ...dialectFaults('dialect', provider.dialect)]
  if (ofProvider.length > 0) throw configError(faultsBelow(place, ofProvider))
  const connected: unknown = connectedBy(provider, options, context)
  const faults = modelFaults(connected)
  if (faults.length > 0) throw configError(faultsBelow(`${place}.connect`, faults))
  return connected as ConnectedModel
}

function connectedBy(provider: Provider<ModelOptions>, options: ModelOptions, context: ModelContext): unknown {
  try {
    return provider.connect(options, context)
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    const message = `it failed: ${cause instanceof Error ? cause.message : String(cause)}`
    throw Object.assign(configError([{ path: `models.${context.name}.provider.connect`, message }]), { cause })
  }
}

function modelFaults(connected: unknown): readonly ConfigFault[] {
  if (typeof connected !== 'object' || connected === null || isPromise(connected)) {
    if (isPromise(connected)) connected.catch(() => undefined)
    const got = isPromise(connected) ? 'a promise' : shown([], connected)
    return [{ path: '', message: `expected a model with its domain and "send", got ${got}` }]
  }
  const { domain, dialects: own, send, verify } = connected as Partial<Record<keyof ConnectedModel, unknown>>
  return [
    ...textFaults('domain', domain),
    ...(own === undefined ? [] : dialectFaults('dialects', own)),
    ...functionFault('send', send),
    ...(verify === undefined ? [] : functionFault('verify', verify)),
  ]
}

const functionFault = (path: string, value: unknown): ConfigFault[] =>
  typeof value === 'function' ? [] : [{ path, message: `expected a function, got ${shown([], value)}` }]

const textFaults = (path: string, value: unknown): ConfigFault[] =>
  typeof value === 'string' && value !== ''
    ? []
    : [{ path, message: `expected a text that is not empty, got ${shown([], value)}` }]

function dialectFaults(path: string, given: unknown): ConfigFault[] {
  const named = [given].flat()
  if (named.length > 0 && named.every(isKnown)) return []
  const expected = `expected one of ${Object.keys(dialects).join(', ')}, or several`
  const got = named.length > 0 ? named.find((name) => !isKnown(name)) : given
  return [{ path, message: `${expected}, got ${shown([], got)}` }]
}

const isKnown = (name: unknown) => typeof name === 'string' && Object.hasOwn(dialects, name)
