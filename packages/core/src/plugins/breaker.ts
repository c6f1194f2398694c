import { type SignalboxError, errorWithoutStack, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Attempt } from '../types.ts'
import { brokeOff, isFaultOfTheModel } from '../health/verdict.ts'

/** Calls that have no deadline still give their permit back some day. */
const longestLeaseMs = 600_000

/** Refuses attempts at a model whose breaker is open, and tells the breaker how the others went. */
export function breaker({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'breaker',
    attempt: {
      run(attempt, next) {
        const { breaker: circuit } = attempt.candidate.state
        if (!circuit) return next(attempt)
        const probing = circuit.state !== 'closed'
        const startedMs = clock.now()
        const leaseMs = Math.min(attempt.call.deadline - startedMs + 1_000, longestLeaseMs)
        const permit = circuit.tryAcquire(Math.max(leaseMs, 1))
        if (!permit) throw unavailable(attempt, circuit.retryAfterMs())
        return next(attempt).then(
          (reply) => {
            if (probing) permit.success()
            void reply.ended.then(({ how }) => {
              if (how === 'complete') permit.success()
              else if (brokeOff(how, attempt, clock.now())) permit.failure()
              else permit.ignore()
            })
            return reply
          },
          (error: unknown) => {
            if (isFaultOfTheModel(error, attempt, clock.now() - startedMs)) permit.failure()
            else if (isAnswer(error)) permit.success()
            else permit.ignore()
            throw error
          },
        )
      },
    },
  })
}

/** Whether an error shows a model at work: it read the request and refused it. */
const isAnswer = (error: unknown) => isSignalboxError(error) && error.code === 'upstream_rejected'

function unavailable({ candidate }: Attempt, retryAfterMs: number): SignalboxError {
  return errorWithoutStack('model_unavailable', 'The model is kept out after failures', {
    model: candidate.name,
    retryAfterMs,
  })
}
