import { isAscii, isUtf8 } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bufferOf } from '../buffer.ts'
import { dialects } from '../dialects/index.ts'
import { brokenOff } from '../errors.ts'
import type { Router } from '../router.ts'
import type { ByteStream, Identity, Logger } from '../types.ts'
import { type ParsedRequest, bodyOf } from './body.ts'
import type { Endpoint, Face, FaceRequest } from './contract.ts'
import { errorStatuses } from './errors.ts'
import { createFace, notFound } from './face.ts'

/** What a host knows of a request besides the request itself. */
export interface HostRequest {
  /** What the host's body parser left. */
  readonly parsedBody?: unknown
  readonly identify: () => Identity | undefined | Promise<Identity | undefined>
  readonly authorise?: (() => boolean | Promise<boolean>) | undefined
  readonly id?: unknown
  readonly log?: unknown
}

/**
 * Makes a face's request of a Node request. Its signal is aborted when the response closes before it was written, or was
 * ended by the host before it was answered, also where that was before this is made.
 */
export function faceRequest(face: Face, req: ParsedRequest, res: ServerResponse, host: HostRequest): FaceRequest {
  return new NodeRequest(face, req, res, host)
}

class NodeRequest implements FaceRequest {
  readonly method: string
  readonly url: string | undefined
  readonly end = new AbortController()
  readonly id: string | undefined
  readonly log: Logger | undefined
  isAnswered = false
  private readonly req: ParsedRequest
  private readonly host: HostRequest
  private readonly maxBytes: number

  constructor(face: Face, req: ParsedRequest, res: ServerResponse, host: HostRequest) {
    this.method = req.method ?? 'GET'
    this.url = req.url
    this.id = typeof host.id === 'string' ? host.id : undefined
    this.log = isLogger(host.log) ? host.log : face.logger
    this.req = req
    this.host = host
    this.maxBytes = face.maxRequestBytes
    // Of what was over before, as while a host's middleware was at work, no event tells any more.
    if (res.destroyed || res.writableEnded || req.aborted) this.end.abort(callerLeft)
    res.on('close', () => {
      // One of HTTP/2 that broke off says that it is finished, though nobody ended it.
      const isWhole = res.writableEnded && res.writableFinished
      if (!isWhole || !this.isAnswered) this.end.abort(callerLeft)
    })
  }

  get signal(): AbortSignal {
    return this.end.signal
  }

  get authorise(): HostRequest['authorise'] {
    return this.host.authorise
  }

  header(name: string): string | undefined {
    const value = this.req.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  bodyIsComplete(): boolean {
    const { req } = this
    // In HTTP/2 the connection is not the request's alone, and goes on whatever becomes of one body.
    return req.complete || req.readableEnded || req.httpVersionMajor > 1
  }

  body(): ReturnType<FaceRequest['body']> {
    return bodyOf(this.req, this.host.parsedBody, this.maxBytes)
  }

  identify(): ReturnType<FaceRequest['identify']> {
    return this.host.identify()
  }
}

/** Ready made, because making an error costs far more than aborting with one. */
const callerLeft = new Error('The caller left')

/** Answers a request on a Node response. */
export async function answerNode(
  face: Face,
  endpoint: Endpoint,
  request: FaceRequest,
  res: ServerResponse,
): Promise<void> {
  const answer = await face.answer(endpoint, request)
  if (res.destroyed || res.headersSent) return answer.cancel()
  if (answer.body instanceof Uint8Array) {
    answer.headers['content-length'] = String(answer.body.length)
    res.writeHead(answer.status, answer.headers)
    if (request.method === 'HEAD') res.end()
    else endWith(res, answer.body)
    return
  }
  res.writeHead(answer.status, answer.headers)
  const giveUp = () => answer.cancel()
  res.on('close', giveUp)
  // Of writing on where the host has ended the response itself. Unheard, it would end the process.
  res.on('error', giveUp)
  return pour(answer.body, res, (error) => brokenStream(endpoint, error, request.log))
}

/** Writes a stream to its end. What waits for a promise by `then` keeps less, for as long as it lasts, than a suspended function. */
function pour(body: ByteStream, res: ServerResponse, lastEvent: (error: unknown) => Uint8Array): Promise<void> {
  return new Promise<void>((resolve) => resolve(body.to(res))).then(
    () => void res.end(),
    (error: unknown) => void res.end(lastEvent(error)),
  )
}

/** Bodies beyond this go out beside their head: to copy them costs more than to write twice. */
const largestJoinedBytes = 64 * 1024

/**
 * Ends a response with its whole body. Node joins a text with the head and writes both at once, where it gathers bytes and
 * head in a list: half of all that an answer costs. What stands in between, such as an adapter to a cloud's functions,
 * takes a text for UTF-8, whatever the encoding given with it: of ASCII it is the same, and Node writes that faster.
 */
function endWith(res: ServerResponse, body: Uint8Array): void {
  if (body.length > largestJoinedBytes || !isUtf8(body)) res.end(body)
  else if (isAscii(body)) res.end(bufferOf(body).toString('latin1'), 'latin1')
  else res.end(bufferOf(body).toString(), 'utf8')
}

/** The last event of a stream that a plugin broke: a refusal in the plugin's words. What else broke it is logged. */
export function brokenStream(
  { dialect = 'openai-chat' }: Pick<Endpoint, 'dialect'>,
  error: unknown,
  log: Logger | undefined,
): Uint8Array {
  const told = brokenOff(error)
  if (errorStatuses[told.code] >= 500) log?.error({ err: error }, 'a stream failed on its way to the caller')
  return dialects[dialect].errorEvent(told)
}

/** Options of {@link listener}. */
export interface ListenerOptions {
  /** Says who calls. @default nobody in particular */
  readonly identify?: ((req: IncomingMessage) => Identity | undefined | Promise<Identity | undefined>) | undefined
  /** Says who may see `GET status` and `GET costs`, and `POST feedback`. @default nobody: the paths are not there */
  readonly authorise?: ((req: IncomingMessage) => boolean | Promise<boolean>) | undefined
}

/**
 * The router for a plain `node:http` server, at `/v1` and at the root. Every other path gets a 404.
 *
 * @example
 * http.createServer(listener(router)).listen(3000)
 */
export function listener(
  router: Router,
  options: ListenerOptions = {},
): (req: IncomingMessage, res: ServerResponse) => void {
  const { identify, authorise } = options
  const face = createFace(router, options)
  return function signalboxListener(req, res) {
    const path = pathOf(req.url ?? '/')
    const request = faceRequest(face, req, res, {
      identify: () => identify?.(req),
      authorise: authorise && (() => authorise(req)),
    })
    answerNode(face, face.match(request.method, path) ?? notFound(), request, res).catch(() => res.destroy())
  }
}

/** The path of a URL without its query. Whoever takes us for a proxy asks by the whole URL, with scheme and host. */
function pathOf(url: string): string {
  const query = url.indexOf('?')
  const path = query < 0 ? url : url.slice(0, query)
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/i, '')
}

const isLogger = (value: unknown): value is Logger =>
  typeof value === 'object' &&
  value !== null &&
  ['info', 'warn', 'error'].every((level) => typeof (value as Record<string, unknown>)[level] === 'function')
