import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock, type Clock } from './clock.ts'
import { seededRandom } from './seeded-random.ts'
import { answerChat, type ChatDesk } from './simulated-provider/answer-chat.ts'
import { lastUserText } from './simulated-provider/answers.ts'
import { checkKey } from './simulated-provider/check-key.ts'
import { createExchange, type Exchange } from './simulated-provider/exchange.ts'
import { createFaultPlan, nameOfFault, type SimulatedFault } from './simulated-provider/faults.ts'
import { createJournal, type SimulatedRequest } from './simulated-provider/journal.ts'
import { isObject } from './simulated-provider/json-object.ts'
import { referenceModels, type SimulatedModel } from './simulated-provider/models.ts'
import { badRequest, openAiError, type Refusal } from './simulated-provider/openai-errors.ts'
import { createPromptCache } from './simulated-provider/prompt-cache.ts'
import { deliverFault } from './simulated-provider/write-answer.ts'

export interface SimulatedProviderOptions {
  /** @default referenceModels */
  models?: readonly SimulatedModel[]
  /** The same seed and the same requests give the same answers and latencies, in whatever order they come. @default 1 */
  seed?: number
  /** What the models' latencies are multiplied by; 0 answers at once. @default 0 */
  latencyScale?: number
  /** Answer 503 as often as the models' `uptime` says. @default false */
  outages?: boolean
  /** The bearer keys that are accepted. @default any */
  apiKeys?: readonly string[]
  /** Says what an answer says; undefined leaves it to the provider. What it throws comes as a 500. */
  answer?: (request: { model: string; prompt: string }) => string | undefined
  /** Where time comes from. @default the machine's clock */
  clock?: Clock
  /** How many of the latest requests `requests` keeps. @default 10_000 */
  journalLimit?: number
}

export interface SimulatedProvider {
  /** For a client's `baseURL`: `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string
  readonly models: readonly SimulatedModel[]
  /** The latest requests, oldest first. */
  readonly requests: readonly SimulatedRequest[]
  /**
   * Makes a model fail, or with `*` the whole provider, `GET /v1/models` included. Faults are used up in the order
   * given; one without `times` lasts until `heal` and is replaced by the next `fail` of the same model.
   *
   * @throws TypeError for a model that the provider does not have, and for a fault that there is not
   * @throws RangeError for `times` below 1
   */
  fail(model: string, fault: SimulatedFault, options?: { times?: number }): void
  /**
   * Takes back the faults of a model, or of `*`; all of them when no name is given.
   *
   * @throws TypeError for a model that the provider does not have
   */
  heal(model?: string): void
  /** How many requests have come and not ended. */
  openRequests(): number
  openSockets(): number
  /** Ends every request and connection at once. */
  close(): Promise<void>
}

/**
 * Starts a provider on 127.0.0.1 that speaks OpenAI's chat-completions wire format and answers by itself: short
 * readable texts, tool calls, JSON for a schema. For demonstrations, load tests, and tests of your own set-up.
 * It differs from OpenAI in that it counts tokens its own way, ignores unknown fields, and pads stream chunks only
 * when `stream_options.include_obfuscation` is true.
 *
 * @example
 * const provider = await startSimulatedProvider({ seed: 7 })
 * provider.fail('gpt-4.1', { status: 503 }, { times: 2 })
 * const client = new OpenAI({ baseURL: provider.baseUrl, apiKey: 'any' })
 * // ...
 * await provider.close()
 */
export async function startSimulatedProvider(options: SimulatedProviderOptions = {}): Promise<SimulatedProvider> {
  const { models = referenceModels, clock = systemClock, seed = 1, apiKeys, answer } = options
  const journal = createJournal(options.journalLimit ?? 10_000)
  const faults = createFaultPlan(models.map(({ name }) => name))
  const drawFor = createDraws(seed)
  const sockets = new Set<Socket>()
  let openRequests = 0
  let served = 0
  const desk: ChatDesk = {
    models,
    clock,
    latencyScale: options.latencyScale ?? 0,
    outages: options.outages ?? false,
    cachedTokens: createPromptCache(),
    answer: answer && ((request) => answer({ model: request.model, prompt: lastUserText(request) })),
  }

  const server = createServer((request, response) => {
    openRequests += 1
    response.once('close', () => (openRequests -= 1))
    serve(request, response).catch(() => response.destroy())
  })
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo

  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    models,
    requests: journal.requests,
    fail: (model, fault, { times } = {}) => faults.fail(model, fault, times),
    heal: (model) => faults.heal(model),
    openRequests: () => openRequests,
    openSockets: () => sockets.size,
    async close() {
      const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      const stopped = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await Promise.all([stopped, ...closed])
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse) {
    const entry = journal.add(request, clock.now())
    served += 1
    const requestId = `req_${createHash('sha256').update(`${seed} ${served}`).digest('hex').slice(0, 32)}`
    const exchange = createExchange({ request, response, entry, clock, requestId })
    try {
      await respondTo(exchange)
    } catch (error) {
      if (entry.started) throw error
      const body = openAiError(`The simulated provider failed: ${String(error)}`, { type: 'server_error' })
      exchange.json({ status: 500, body })
    }
  }

  async function respondTo(exchange: Exchange): Promise<void> {
    const { entry } = exchange
    entry.bytes = await exchange.readBody()
    entry.body = parseJson(entry.bytes)
    if (isObject(entry.body) && typeof entry.body.model === 'string') entry.model = entry.body.model
    const fault = faults.next(entry.model)
    if (fault) entry.fault = nameOfFault(fault)
    if (fault && (await deliverFault(exchange, fault))) return
    const refusal = checkKey(entry.headers, apiKeys)
    if (refusal) return exchange.json(refusal)
    await route(exchange, fault)
  }

  async function route(exchange: Exchange, fault: SimulatedFault | undefined): Promise<void> {
    const { method, bytes } = exchange.entry
    const path = exchange.entry.path.replace(/\?.*$/, '')
    const name = /^\/v1\/models\/(.+)$/.exec(path)?.[1]
    if (path !== '/v1/chat/completions' && path !== '/v1/models' && !name) {
      return exchange.json({ ...badRequest(`Invalid URL (${method} ${path})`), status: 404 })
    }
    if (method !== (path === '/v1/chat/completions' ? 'POST' : 'GET')) return exchange.json(wrongMethod(method, path))
    if (path === '/v1/models')
      return exchange.json({ status: 200, body: { object: 'list', data: models.map(modelBody) } })
    if (name) return exchange.json(oneModel(models, name))
    await answerChat(desk, exchange, { random: drawFor(bytes), fault })
  }
}

/** Gives each body a random source of its own, and another one each time it comes. */
function createDraws(seed: number): (bytes: Buffer) => () => number {
  const times = new Map<number, number>()
  return function drawFor(bytes) {
    const hash = createHash('sha256').update(`${seed} `).update(bytes).digest().readInt32LE()
    const time = times.get(hash) ?? 0
    if (times.size > 100_000) times.clear()
    times.set(hash, time + 1)
    return seededRandom(hash ^ Math.imul(time, 0x9e3779b1))
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

function modelBody({ name }: SimulatedModel): object {
  return { id: name, object: 'model', created: 1_767_225_600, owned_by: 'signalbox-simulated' }
}

function oneModel(models: readonly SimulatedModel[], name: string): Refusal {
  const model = models.find((each) => each.name === name || encodeURIComponent(each.name) === name)
  if (model) return { status: 200, body: modelBody(model) }
  const details = { param: 'model', code: 'model_not_found' }
  return { status: 404, body: openAiError(`The model '${name}' does not exist`, details) }
}

function wrongMethod(method: string, path: string): Refusal {
  const message = `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`
  const allow = path === '/v1/chat/completions' ? 'POST' : 'GET'
  return { ...badRequest(message), status: 405, headers: { allow } }
}
