import type { Handler, Middleware } from './types.ts'

/**
 * Folds middleware around a handler, the first outermost. The chain is built here, once; a call only runs through it.
 * `next` may be called any number of times. It never throws: what a middleware throws is a rejection to those around it.
 */
export function compose<C>(middleware: readonly Middleware<C>[], last: Handler<C>): Handler<C> {
  return middleware.reduceRight<Handler<C>>(
    (next, run) => (call) => {
      try {
        return run(call, next)
      } catch (error) {
        return Promise.reject(error)
      }
    },
    last,
  )
}
