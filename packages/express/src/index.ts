import type { Identity, Router } from '@signalbox/core'
import { answerNode, createFace, faceRequest, parserErrorAnswer } from '@signalbox/core/http'
import type { ErrorRequestHandler, Request, RequestHandler } from 'express'

/** Options of {@link signalbox}. */
export interface SignalboxOptions {
  /** Says who calls, from the app's own session. @default nobody in particular */
  readonly identify?: ((req: Request) => Identity | undefined | Promise<Identity | undefined>) | undefined
  /** Says who may see `GET status` and `GET costs`, and `POST feedback`. @default nobody: the paths are not there */
  readonly authorise?: ((req: Request) => boolean | Promise<boolean>) | undefined
}

/**
 * Mounts a router in an Express app, at any path. Paths that are not the router's go on to the next handler.
 *
 * @example
 * app.use('/v1', signalbox(router, { identify: (req) => ({ user: req.user.id }) }))
 */
export function signalbox(router: Router, options: SignalboxOptions = {}): RequestHandler {
  const { identify, authorise } = options
  const face = createFace(router, options)
  return function signalboxHandler(req, res, next) {
    const endpoint = face.match(req.method, req.path)
    if (!endpoint) return next()
    const { id, log } = req as { id?: unknown; log?: unknown }
    const request = faceRequest(face, req, res, {
      parsedBody: req.body,
      identify: () => identify?.(req),
      authorise: authorise && (() => authorise(req)),
      id,
      log,
    })
    answerNode(face, endpoint, request, res).catch(next)
  }
}

/**
 * Answers what a body parser in front of the router threw (too large, broken JSON) in the shape that its clients
 * understand. Stands behind the router, at the same path.
 *
 * @example
 * app.use('/v1', express.json({ limit: '10mb' }), signalbox(router), signalboxErrors())
 */
export function signalboxErrors(): ErrorRequestHandler {
  return function signalboxErrorHandler(error: unknown, req, res, next) {
    const answer = parserErrorAnswer(error, { path: req.path, header: (name) => req.get(name) })
    if (!answer || res.headersSent) return next(error)
    res.writeHead(answer.status, answer.headers).end(answer.body)
  }
}
