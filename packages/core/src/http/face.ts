import { SignalboxError } from '../errors.ts'
import type { CallRecord } from '../record.ts'
import type { Router } from '../router.ts'
import type { DialectName } from '../types.ts'
import { answerCall } from './call.ts'
import type { Endpoint, Face, FaceAnswer, FaceRequest } from './contract.ts'
import { health, modelByName, models } from './resources.ts'
import { costUsd } from '../record-cost.ts'
import { costs, status } from './pages.ts'
import { toldError } from './told-error.ts'

interface Resource {
  readonly method: string
  readonly path: RegExp
  readonly dialect: DialectName
  answer(request: FaceRequest, id: string, parameter: string): FaceAnswer | Promise<FaceAnswer>
}

/** Options of {@link createFace}. */
export interface FaceOptions {
  /** Whether the router's own pages (`GET status`, `GET costs`) are there at all: where the host can say who may see them. */
  readonly pages?: boolean
}

/** Makes the face of a router. */
export function createFace(router: Router, { pages = false }: FaceOptions = {}): Face {
  const calls = { dialect: 'openai-chat', answer: (request, id) => answerCall(router, request, id) } satisfies Endpoint
  const resources: readonly Resource[] = [
    { method: 'POST', path: /^\/chat\/completions$/, ...calls },
    { method: 'GET', path: /^\/models$/, dialect: 'openai-chat', answer: (request) => models(router, request) },
    {
      method: 'GET',
      path: /^\/models\/(.+)$/,
      dialect: 'openai-chat',
      answer: (request, _id, name) => modelByName(router, request, name),
    },
    {
      method: 'GET',
      path: /^\/health(?:\/(live|ready))?$/,
      dialect: 'openai-chat',
      answer: (_request, _id, part) => health(router, part),
    },
    ...(pages ? [statusPage(router), costsPage(router)] : []),
  ]

  return {
    maxRequestBytes: router.settings.maxRequestBytes,
    match(method, path) {
      const local = localPath(path)
      // Nearly every request is this one.
      if (method === 'POST' && local === '/chat/completions') return calls
      const fitting = resources.filter((resource) => resource.path.test(local))
      if (fitting.length === 0) return undefined
      const resource = fitting.find((one) => one.method === method || (one.method === 'GET' && method === 'HEAD'))
      if (!resource) return methodNotAllowed(fitting)
      const parameter = resource.path.exec(local)?.[1] ?? ''
      return { dialect: resource.dialect, answer: (request, id) => resource.answer(request, id, parameter) }
    },
    async answer(endpoint, request) {
      const id = requestId(request)
      const answer = await settle(endpoint, request, id)
      answer.headers['x-request-id'] = id
      if (answer.error && !request.bodyIsComplete()) answer.headers['connection'] = 'close'
      if (router.settings.decisionHeaders && answer.record) addDecision(answer.headers, answer.record)
      if (router.settings.costHeader && answer.body instanceof Uint8Array && answer.record)
        await addCost(answer.headers, answer.record)
      return answer
    },
  }
}

const statusPage = (router: Router): Resource => ({
  method: 'GET',
  path: /^\/status$/,
  dialect: 'openai-chat',
  answer: (request) => status(router, request),
})

const costsPage = (router: Router): Resource => ({
  method: 'GET',
  path: /^\/costs$/,
  dialect: 'openai-chat',
  answer: (request) => costs(router, request),
})

async function settle(endpoint: Endpoint, request: FaceRequest, id: string): Promise<FaceAnswer> {
  try {
    return await endpoint.answer(request, id)
  } catch (error) {
    return toldError(error, endpoint.dialect, request)
  }
}

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
  return request.id !== undefined && saneId.test(request.id) ? request.id : crypto.randomUUID()
}

function localPath(path: string): string {
  const local = path.startsWith('/v1/') ? path.slice(3) : path === '/v1' ? '' : path
  return local.length > 1 && local.endsWith('/') ? local.slice(0, -1) : local
}

function methodNotAllowed(resources: readonly Resource[]): Endpoint {
  const allow = [...new Set(resources.map(({ method }) => method))].join(', ')
  return {
    dialect: resources[0]!.dialect,
    answer: (request) => {
      const answer = toldError(
        new SignalboxError('method_not_allowed', `This path takes ${allow}`),
        resources[0]!.dialect,
        request,
      )
      return { ...answer, headers: { ...answer.headers, allow } }
    },
  }
}

/** The answer to a path that is none of ours, for mounts with nothing behind them. */
export function notFound(): Endpoint {
  return {
    dialect: 'openai-chat',
    answer: () => {
      throw new SignalboxError('not_found', 'There is nothing at this path')
    },
  }
}
