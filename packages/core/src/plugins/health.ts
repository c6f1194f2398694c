import type { HealthSample } from '../health/health-window.ts'
import { type SignalboxErrorCode, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { brokeOff, isFaultOfTheModel } from '../health/verdict.ts'

/** Keeps the record by which a model is healthy, degraded or unhealthy. A stream's time is the time to its first content. */
export function health({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'health',
    attempt: {
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
              else if (brokeOff(how, attempt, clock.now()))
                window.record({ outcome: how === 'stalled' ? 'timeout' : 'failure' })
            })
            return reply
          },
          (error: unknown) => {
            const latencyMs = clock.now() - startedMs
            if (isFaultOfTheModel(error, attempt, latencyMs)) window.record({ outcome: outcomeOf(error), latencyMs })
            throw error
          },
        )
      },
    },
  })
}

const timeouts: ReadonlySet<SignalboxErrorCode> = new Set(['upstream_timeout', 'deadline_exceeded'])

const outcomeOf = (error: unknown): HealthSample['outcome'] =>
  isSignalboxError(error) && timeouts.has(error.code) ? 'timeout' : 'failure'
