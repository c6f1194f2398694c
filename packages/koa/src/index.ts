import { type Identity, type Router, SignalboxError } from '@signalbox/core'
import { Readable } from 'node:stream'
import { createFace, faceRequest, parserErrorAnswer, readableBody } from '@signalbox/core/http'
import type { Context, Middleware } from 'koa'

/** Options of {@link signalbox}. */
export interface SignalboxOptions {
  /** Says who calls, from the app's own session. @default nobody in particular */
  readonly identify?: ((ctx: Context) => Identity | undefined | Promise<Identity | undefined>) | undefined
  /** Says who may see `GET status` and `GET costs`, and `POST feedback`. @default nobody: the paths are not there */
  readonly authorise?: ((ctx: Context) => boolean | Promise<boolean>) | undefined
  /** Where the router stands, unless koa-mount has taken that off the path already. @default '', and `/v1` */
  readonly prefix?: string | undefined
}

/**
 * The router as a Koa middleware. Paths that are not the router's go on to the next middleware.
 *
 * @example
 * app.use(signalbox(router, { prefix: '/v1', identify: (ctx) => ({ user: ctx.state.user.id }) }))
 */
export function signalbox(router: Router, { prefix: at, ...options }: SignalboxOptions = {}): Middleware {
  const { identify, authorise } = options
  const prefix = prefixOf(at)
  const face = createFace(router, options)
  return async function signalboxMiddleware(ctx, next) {
    const endpoint = isUnder(ctx.path, prefix) ? face.match(ctx.method, ctx.path.slice(prefix.length)) : undefined
    if (!endpoint) return next()
    const { body: parsedBody } = ctx.request as { body?: unknown }
    const { id, log } = ctx.state as { id?: unknown; log?: unknown }
    const host = {
      parsedBody,
      identify: () => identify?.(ctx),
      authorise: authorise && (() => authorise(ctx)),
      id,
      log,
    }
    const request = faceRequest(face, ctx.req, ctx.res, host)
    const answer = await face.answer(endpoint, request)
    ctx.status = answer.status
    ctx.set(answer.headers)
    const body = readableBody(answer, endpoint, request.log)
    if (body instanceof Readable) {
      keepLeavingQuiet(ctx, request.signal)
      // Koa 2 does not listen for it: unheard, a write after the end would end the process.
      ctx.res.on('error', nothing)
    }
    ctx.body = body
  }
}

/**
 * Answers what a body parser behind it throws (too large, broken JSON) in the shape that the router's clients
 * understand. Stands before the parser.
 *
 * @example
 * app.use(signalboxErrors()).use(koaBody({ jsonLimit: '10mb' })).use(signalbox(router, { prefix: '/v1' }))
 */
export function signalboxErrors({ prefix: at }: Pick<SignalboxOptions, 'prefix'> = {}): Middleware {
  const prefix = prefixOf(at)
  return async function signalboxErrorMiddleware(ctx, next) {
    try {
      await next()
    } catch (error) {
      const answer = isUnder(ctx.path, prefix)
        ? parserErrorAnswer(error, { path: ctx.path, header: (name) => ctx.get(name) || undefined })
        : undefined
      if (!answer || ctx.headerSent) throw error
      ctx.status = answer.status
      ctx.set(answer.headers)
      ctx.body = answer.body
    }
  }
}

const nothing = () => undefined

/** Koa takes a caller who leaves in the middle of a stream for an error of the app's, and prints it. It is none. */
function keepLeavingQuiet(ctx: Context, end: AbortSignal): void {
  const tell = ctx.onerror
  function onerror(error: NodeJS.ErrnoException): void {
    // Koa calls it without an error too, when a response has ended.
    const { code = '' } = (error as NodeJS.ErrnoException | null) ?? {}
    // Over HTTP/2 Koa takes a response for writable that was closed.
    if ((ctx.writable && !end.aborted) || !leavingCodes.has(code)) tell.call(ctx, error)
  }
  Object.assign(ctx, { onerror })
}

/** What a stream meets whose reader has closed or reset the connection. */
const leavingCodes: ReadonlySet<string> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE'])

/** A prefix as paths begin with it: `/v1` where that or `/v1/` was given, and nothing for the root. */
function prefixOf(given: unknown = ''): string {
  const prefix = typeof given === 'string' ? given.replace(/\/+$/, '') : undefined
  if (prefix === '' || prefix?.startsWith('/')) return prefix
  throw new SignalboxError(
    'invalid_config',
    `prefix: expected a path such as "/v1", got ${JSON.stringify(given) ?? typeof given}`,
  )
}

const isUnder = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`)
