import { type ConfigFault, configError, shown } from '../config/fault.ts'
import { dialects } from '../dialects/index.ts'
import { SignalboxError } from '../errors.ts'
import { newId } from '../new-id.ts'
import type { CallRecord } from '../record.ts'
import type { Router } from '../router.ts'
import type { DialectName } from '../types.ts'
import { answerCall } from './call.ts'
import type { Endpoint, Face, FaceAnswer, FaceRequest, Resource } from './contract.ts'
import { countTokens } from './count-tokens.ts'
import { dialectOfCaller } from './dialect-of-caller.ts'
import { pluginResources } from './plugin-paths.ts'
import { health, modelByName, models } from './resources.ts'
import { costUsd } from '../record-cost.ts'
import { costs, feedback, status } from './pages.ts'
import { serverTiming } from '../hooks/hook-times.ts'
import { toldError } from './told-error.ts'

/** What a mount was given, by whatever its functions take in its host. Anything else in it is refused. */
export interface FaceOptions {
  /** Says who calls. */
  readonly identify?: unknown
  /** Says who may see the router's own pages (`GET status`, `GET costs`, `POST feedback`). Without it they are not there. */
  readonly authorise?: unknown
}

/**
 * Makes the face of a router.
 *
 * @throws SignalboxError `invalid_config` for what is no router, and for options that are none
 */
export function createFace(router: Router, options: FaceOptions = {}): Face {
  if (typeof (router as Partial<Router> | undefined)?.handle !== 'function')
    throw new SignalboxError('invalid_config', `expected a router, as createRouter makes it, got ${shown([], router)}`)
  const faults = mountFaults(options)
  if (faults.length > 0) throw configError(faults, 'The mount')
  const pages = options.authorise !== undefined
  const calls = callEndpoints(router)
  const chatPath = dialects['openai-chat'].path
  const chat = calls.get(chatPath)!
  const resources: readonly Resource[] = [
    ...[...calls].map(([path, endpoint]) => ({ method: 'POST', path: new RegExp(`^${path}$`), ...endpoint })),
    {
      method: 'POST',
      path: /^\/messages\/count_tokens$/,
      dialect: 'anthropic-messages',
      answer: (request) => countTokens(router, request),
    },
    { method: 'GET', path: /^\/models$/, answer: (request) => models(router, request) },
    { method: 'GET', path: /^\/models\/(.+)$/, answer: (request, _id, name) => modelByName(router, request, name) },
    { method: 'GET', path: /^\/health(?:\/(live|ready))?$/, answer: (_request, _id, part) => health(router, part) },
    ...(pages ? [statusPage(router), costsPage(router), feedbackPage(router)] : []),
    ...pluginResources(router, pages),
  ]

  return {
    maxRequestBytes: router.settings.maxRequestBytes,
    logger: router.logger(),
    match(method, path) {
      const local = localPath(path)
      // Nearly every request is this one.
      if (method === 'POST' && local === chatPath) return chat
      const fitting = resources.filter((resource) => resource.path.test(local))
      if (fitting.length === 0) return undefined
      const resource = fitting.find((one) => one.method === method || (one.method === 'GET' && method === 'HEAD'))
      if (!resource) return methodNotAllowed(fitting)
      const parameter = resource.path.exec(local)?.[1] ?? ''
      const { dialect } = resource
      return { ...(dialect && { dialect }), answer: (request, id) => resource.answer(request, id, parameter) }
    },
    async answer(endpoint, request) {
      const id = requestId(request)
      const dialect = endpoint.dialect ?? dialectOfCaller(request)
      let answer: FaceAnswer
      try {
        answer = await endpoint.answer(request, id)
      } catch (error) {
        answer = toldError(error, dialect, request)
      }
      answer.headers['x-request-id'] = id
      if (dialect === 'anthropic-messages') answer.headers['request-id'] = id
      if (answer.error && !request.bodyIsComplete()) answer.headers['connection'] = 'close'
      if (router.settings.decisionHeaders && answer.record) addDecision(answer.headers, answer.record)
      if (router.settings.costHeader && answer.body instanceof Uint8Array && answer.record)
        await addCost(answer.headers, answer.record)
      if (answer.record?.hookTimes) answer.headers['server-timing'] = serverTiming(answer.record.hookTimes)
      request.isAnswered = true
      return answer
    },
  }
}

function mountFaults(options: FaceOptions): ConfigFault[] {
  return Object.entries(options).flatMap(([name, given]: [string, unknown]) => {
    if (name !== 'identify' && name !== 'authorise') return [{ path: name, message: 'expected no option of this name' }]
    const isFunction = given === undefined || typeof given === 'function'
    return isFunction ? [] : [{ path: name, message: `expected a function, got ${shown([], given)}` }]
  })
}

/** Where each dialect is called. */
function callEndpoints(router: Router): ReadonlyMap<string, Endpoint & { readonly dialect: DialectName }> {
  return new Map(
    Object.values(dialects).map(({ name, path }) => [
      path,
      { dialect: name, answer: (request: FaceRequest, id: string) => answerCall(router, name, request, id) },
    ]),
  )
}

const statusPage = (router: Router): Resource => ({
  method: 'GET',
  path: /^\/status$/,
  answer: (request) => status(router, request),
})

const costsPage = (router: Router): Resource => ({
  method: 'GET',
  path: /^\/costs$/,
  answer: (request) => costs(router, request),
})

const feedbackPage = (router: Router): Resource => ({
  method: 'POST',
  path: /^\/feedback$/,
  answer: (request) => feedback(router, request),
})

function addDecision(headers: Record<string, string>, { model, route, attempts }: CallRecord): void {
  const last = model ?? attempts.at(-1)?.model
  if (last !== undefined) headers['x-signalbox-model'] = last
  headers['x-signalbox-route'] = route
  headers['x-signalbox-attempts'] = String(attempts.length)
}

/** What a whole answer, or one that failed, has cost with all its attempts. A stream's cost is known after its headers. */
async function addCost(headers: Record<string, string>, { attempts }: CallRecord): Promise<void> {
  // The meter hears of the end of an answer a turn later than the caller.
  await Promise.resolve()
  const cost = costUsd(attempts)
  if (cost !== undefined) headers['x-signalbox-cost'] = cost
}

const saneId = /^[\w.:@/+=-]{1,200}$/

/** The caller's id where it is fit for a header and a log line, else the host's, else a new one. */
function requestId(request: FaceRequest): string {
  const callers = request.header('x-request-id')
  if (callers !== undefined && saneId.test(callers)) return callers
  return request.id !== undefined && saneId.test(request.id) ? request.id : newId()
}

function localPath(path: string): string {
  const local = path.startsWith('/v1/') ? path.slice(3) : path === '/v1' ? '' : path
  return local.length > 1 && local.endsWith('/') ? local.slice(0, -1) : local
}

function methodNotAllowed(resources: readonly Resource[]): Endpoint {
  const dialect = resources[0]?.dialect
  const allow = [...new Set(resources.map(({ method }) => method))].join(', ')
  return {
    ...(dialect && { dialect }),
    answer: (request) => {
      const error = new SignalboxError('method_not_allowed', `This path takes ${allow}`)
      const answer = toldError(error, dialect ?? dialectOfCaller(request), request)
      return { ...answer, headers: { ...answer.headers, allow } }
    },
  }
}

/** The answer to a path that is none of ours, for mounts with nothing behind them. */
export function notFound(): Endpoint {
  return {
    answer: () => {
      throw new SignalboxError('not_found', 'There is nothing at this path')
    },
  }
}
