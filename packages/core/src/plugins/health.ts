import type { HealthSample } from '../health/health-window.ts'
import { isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { faultsOfTheModel } from './verdict.ts'

/** Keeps the record by which a model is healthy, degraded or unhealthy. A stream's time is the time to its first content. */
export function health({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'health',
    attempt: {
      stage: 'meter',
      enforce: 'pre',
      run(attempt, next) {
        const window = attempt.candidate.state.health
        if (!window) return next(attempt)
        const startedMs = clock.now()
        return next(attempt).then(
          (reply) => {
            const latencyMs = clock.now() - startedMs
            const { stream } = attempt.call.request.parameters
            void reply.ended.then(({ how }) => {
              if (how === 'complete')
                window.record({ outcome: 'success', latencyMs, ...(stream && { firstTokenMs: latencyMs }) })
              else if (how === 'stalled') window.record({ outcome: 'timeout' })
              else if (how === 'cut') window.record({ outcome: 'failure' })
            })
            return reply
          },
          (error: unknown) => {
            window.record({ outcome: outcomeOf(error), latencyMs: clock.now() - startedMs })
            throw error
          },
        )
      },
    },
  })
}

function outcomeOf(error: unknown): HealthSample['outcome'] {
  if (!isSignalboxError(error)) return 'ignored'
  if (error.code === 'upstream_timeout') return 'timeout'
  return faultsOfTheModel.has(error.code) ? 'failure' : 'ignored'
}
