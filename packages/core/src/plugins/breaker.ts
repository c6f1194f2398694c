import type { Permit } from '../breaker/breaker.ts'
import { type SignalboxErrorCode, SignalboxError, isSignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Attempt, Ended } from '../types.ts'
import { faultsOfTheModel } from './verdict.ts'

/** Calls that have no deadline still give their permit back some day. */
const longestLeaseMs = 600_000

/** Refuses attempts at a model whose breaker is open, and tells the breaker how the others went. */
export function breaker({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'breaker',
    attempt: {
      stage: 'breaker',
      run(attempt, next) {
        const { breaker: circuit } = attempt.candidate.state
        if (!circuit) return next(attempt)
        const probing = circuit.state !== 'closed'
        const leaseMs = Math.min(attempt.call.deadline - clock.now() + 1_000, longestLeaseMs)
        const permit = circuit.tryAcquire(Math.max(leaseMs, 1))
        if (!permit) throw unavailable(attempt, circuit.retryAfterMs())
        return next(attempt).then(
          (reply) => {
            if (probing) permit.success()
            void reply.ended.then(({ how }) => judge(how, permit))
            return reply
          },
          (error: unknown) => {
            if (isSignalboxError(error) && faultsOfTheModel.has(error.code)) permit.failure()
            else if (isSignalboxError(error) && answers.has(error.code)) permit.success()
            else permit.ignore()
            throw error
          },
        )
      },
    },
  })
}

/** Errors that show a model at work: it read the request and refused it. */
const answers: ReadonlySet<SignalboxErrorCode> = new Set(['upstream_rejected'])

function judge(how: Ended['how'], permit: Permit): void {
  if (how === 'complete') permit.success()
  else if (how === 'cancelled') permit.ignore()
  else permit.failure()
}

function unavailable({ candidate }: Attempt, retryAfterMs: number): SignalboxError {
  return new SignalboxError('model_unavailable', 'The model is kept out after failures', {
    model: candidate.name,
    retryAfterMs,
  })
}
