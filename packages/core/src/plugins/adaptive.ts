import { type SignalboxErrorCode, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** Tells what finds a model's concurrency how its calls go. The limiter, outside of it, holds them to what was found. */
export function adaptive({ admission }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'adaptive',
    attempt: {
      run(attempt, next) {
        const concurrency = admission.adaptiveOf(attempt.candidate.name)
        if (!concurrency) return next(attempt)
        const sample = concurrency.start(attempt.call.request.parameters.stream ? 'firstContent' : 'wholeAnswer')
        return next(attempt).then(
          (reply) => {
            sample.succeeded()
            void reply.ended.then(sample.end)
            return reply
          },
          (error: unknown) => {
            if (isSignalboxError(error) && signsOfLoad.has(error.code)) sample.dropped()
            sample.end()
            throw error
          },
        )
      },
    },
  })
}

/** Failures that say there were too many calls at once. */
const signsOfLoad: ReadonlySet<SignalboxErrorCode> = new Set([
  'upstream_rate_limited',
  'upstream_overloaded',
  'upstream_timeout',
])
