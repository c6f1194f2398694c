import { createRequire } from 'node:module'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import compression from 'compression'
import express from 'express'
import Koa from 'koa'
import { koaBody } from 'koa-body'
import koaCompress from 'koa-compress'
import OpenAI from 'openai'
import { describe, onTestFinished } from 'vitest'
import type { Identity, Logger, Router } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as forExpress, signalboxErrors as errorsForExpress } from '@signalbox/express'
import { signalbox as forKoa, signalboxErrors as errorsForKoa } from '@signalbox/koa'
import { collect } from './caller.ts'

/** How a router is mounted in a host. */
interface ServeOptions {
  /** @default '/v1' */
  readonly at?: '/' | '/v1' | '/ai'
  /** The largest body that a parser in front of the router takes. @default no parser */
  readonly parserLimit?: string
  /** Whether that parser takes any JSON, and not only objects and arrays. */
  readonly parserTakesAll?: boolean
  readonly identify?: (req: IncomingMessage) => Identity | undefined | Promise<Identity | undefined>
  readonly authorise?: (req: IncomingMessage) => boolean | Promise<boolean>
  /** The id that the host gives every request. */
  readonly id?: string
  /** The logger that the host gives every request. */
  readonly log?: Logger
  /** Whether a compressing middleware stands in front. */
  readonly compresses?: boolean
  /** Reads the body before the router, and leaves nothing of it. */
  readonly consumesBody?: boolean
}

/** A router that is reached over a socket. */
export interface Mounted {
  readonly port: number
  /** Where the router stands: `/ai`, or nothing at the root. */
  readonly prefix: string
  readonly url: string
  readonly server: Server
  /** What reached the host's own error handling. */
  readonly hostErrors: readonly unknown[]
}

/** One way of mounting. */
export interface Mount {
  readonly name: 'Express' | 'Koa' | 'listener' | 'Express 4' | 'Koa 2'
  /** Serves the router until the test is finished. */
  serve(router: Router, options?: ServeOptions): Promise<Mounted>
  client(router: Router, options?: ClientOptions): Promise<OpenAI>
}

/** What a client may be given besides where to ask. */
type ClientOptions = ServeOptions & Pick<ConstructorParameters<typeof OpenAI>[0] & object, 'defaultHeaders'>

type App = (router: Router, options: ServeOptions, hostErrors: unknown[]) => RequestListener

const require = createRequire(import.meta.url)

/** Every way of mounting a router in a server. */
export const mounts: readonly Mount[] = [
  mountOf('Express', expressApp(express)),
  mountOf('Koa', koaApp(Koa)),
  mountOf('listener', listenerApp),
]

/** The same in the hosts of many apps that are older. */
const everyMount: readonly Mount[] = [
  ...mounts,
  mountOf('Express 4', expressApp(require('express-4') as typeof express)),
  mountOf('Koa 2', koaApp(require('koa-2') as typeof Koa)),
]

function mountOf(name: Mount['name'], app: App): Mount {
  const serve: Mount['serve'] = async (router, options = {}) => {
    const hostErrors: unknown[] = []
    const server = createServer(app(router, options, hostErrors))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => closeServer(server))
    const { port } = server.address() as AddressInfo
    const prefix = prefixOf(options)
    return { port, prefix, url: `http://127.0.0.1:${port}${prefix}`, server, hostErrors }
  }
  return {
    name,
    serve,
    async client(router, { defaultHeaders, ...options } = {}) {
      const { url } = await serve(router, options)
      return new OpenAI({
        baseURL: url,
        apiKey: 'callers-own',
        maxRetries: 0,
        ...(defaultHeaders && { defaultHeaders }),
      })
    },
  }
}

/** Runs the same tests on Express, on Koa and on the plain listener. */
export function describeMounts(name: string, tests: (mount: Mount) => void): void {
  describe.each(mounts)(`${name}, on $name`, (mount) => {
    tests(mount)
  })
}

/** Runs them on Express 4 and on Koa 2 besides: what depends on the host. */
export function describeHosts(name: string, tests: (mount: Mount) => void): void {
  describe.each(everyMount)(`${name}, on $name`, (mount) => {
    tests(mount)
  })
}

/** Where a client finds a router. */
export interface Reached {
  /** With `/v1` at its end. */
  readonly url: string
  /** What asks there. */
  readonly fetch: typeof globalThis.fetch
}

/** Reaches a router from outside, or in process. */
export type Reach = (router: Router, options?: ServeOptions) => Promise<Reached>

/** What gives an official client that talks to a router. */
export type Connect = (router: Router, options?: Pick<ClientOptions, 'defaultHeaders'>) => Promise<OpenAI>

/** Runs the same tests against every mount, and in process through `router.fetch`. */
export function describeReaches(name: string, tests: (reach: Reach) => void): void {
  describe.each(mounts)(`${name}, on $name`, ({ serve }) => {
    tests(async (router, options) => ({ url: (await serve(router, options)).url, fetch: globalThis.fetch }))
  })
  describe(`${name}, on router.fetch`, () => {
    tests(async (router) => ({ url: 'http://in.process/v1', fetch: router.fetch }))
  })
}

/** Runs the same tests through the official client on every mount, and in process. */
export function describeClients(name: string, tests: (connect: Connect) => void): void {
  describeReaches(name, (reach) => tests(async (router, options = {}) => openaiClient(await reach(router), options)))
}

/** OpenAI's client, which asks once and not again. */
export const openaiClient = ({ url, fetch }: Reached, options: Pick<ClientOptions, 'defaultHeaders'> = {}) =>
  new OpenAI({ baseURL: url, fetch, apiKey: 'callers-own', maxRetries: 0, ...options })

/** Anthropic's client, which asks once and not again. Its base URL has no version. */
export const anthropicClient = ({ url, fetch }: Reached) =>
  new Anthropic({ baseURL: url.replace(/\/v1$/, ''), fetch, apiKey: 'callers-own', maxRetries: 0 })

const prefixOf = ({ at = '/v1' }: ServeOptions) => (at === '/' ? '' : at)

/** What the host answers where the router does not. */
export const hostAnswer = { status: 418, body: 'this is the host' }

function expressApp(framework: typeof express): App {
  return (router, options, hostErrors) => {
    const { parserLimit } = options
    const app = framework()
    app.disable('x-powered-by')
    app.use((req, _res, next) => {
      prepare(req, req, options).then(() => next(), next)
    })
    if (options.compresses) app.use(compression({ threshold: 0 }))
    if (parserLimit) app.use(framework.json({ limit: parserLimit, strict: !options.parserTakesAll }))
    app.use(options.at ?? '/v1', forExpress(router, asked(options)), errorsForExpress())
    app.use((_req, res) => void res.status(hostAnswer.status).end(hostAnswer.body))
    app.use(((error, _req, res, _next) => {
      hostErrors.push(error)
      res.status(500).end('the host failed')
    }) satisfies express.ErrorRequestHandler)
    return app
  }
}

function koaApp(Framework: typeof Koa): App {
  return (router, options, hostErrors) => {
    const { parserLimit, identify, authorise } = options
    const prefix = prefixOf(options)
    const app = new Framework()
    app.on('error', (error: unknown) => hostErrors.push(error))
    app.use(async (ctx, next) => {
      await prepare(ctx.req, ctx.state, options)
      return next()
    })
    if (options.compresses) app.use(koaCompress({ threshold: 0 }))
    app.use(errorsForKoa({ prefix }))
    if (parserLimit) app.use(koaBody({ jsonLimit: parserLimit, jsonStrict: !options.parserTakesAll }))
    app.use(
      forKoa(router, {
        prefix,
        ...(identify && { identify: ({ req }) => identify(req) }),
        ...(authorise && { authorise: ({ req }) => authorise(req) }),
      }),
    )
    app.use((ctx) => {
      ctx.status = hostAnswer.status
      ctx.body = hostAnswer.body
    })
    const handle = app.callback()
    return (req, res) => void handle(req, res)
  }
}

function listenerApp(router: Router, options: ServeOptions, hostErrors: unknown[]): RequestListener {
  const answer = listener(router, asked(options))
  return (req, res) => {
    const ready = options.parserLimit ? keepRawBody(req) : prepare(req, {}, options)
    if (options.at === '/ai') req.url = req.url!.replace(/^\/ai/, '')
    ready.then(
      () => (options.compresses ? compressed(req, res, () => answer(req, res)) : answer(req, res)),
      (error: unknown) => void hostErrors.push(error),
    )
  }
}

/** What the router asks the host. */
const asked = ({ identify, authorise }: ServeOptions) => ({
  ...(identify && { identify }),
  ...(authorise && { authorise }),
})

/** What a host's own middleware does before the router: names the request, gives it a logger, or eats its body. */
async function prepare(req: IncomingMessage, target: object, { id, log, consumesBody }: ServeOptions): Promise<void> {
  Object.assign(target, id !== undefined && { id }, log && { log })
  if (!consumesBody) return
  for await (const _ of req);
}

const compressed = compression({ threshold: 0 }) as unknown as (
  req: IncomingMessage,
  res: ServerResponse,
  next: () => void,
) => void

/** The plain server's way of a body parser: it keeps the bytes. */
async function keepRawBody(req: IncomingMessage): Promise<void> {
  const rawBody = Buffer.concat(await collect<Buffer>(req))
  Object.assign(req, { rawBody })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
