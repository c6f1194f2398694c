import { limitError } from '../admission.ts'
import { isSignalboxError } from '../errors.ts'
import type { Limit } from '../limiter/limits.ts'
import type { Gate, Permit, WaitRequest } from '../limiter/types.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { after } from '../store/after.ts'
import { leaseMsUntil } from '../store/lease-time.ts'
import type { MaybePromise } from '../store/store.ts'
import type { AttemptRecord } from '../record.ts'
import { tokensOf } from '../tokens/request.ts'
import { refuseUnlessWorthWaiting, sendHolding } from './hold.ts'
import { acquire, expectedTokens, priorityOf, isUnconnected, tokensUsed } from '../limiter/limits-of-call.ts'
import type { Attempt, Handler, Reply } from '../types.ts'

/**
 * Keeps a model's limits: all of them are taken or none, by estimate, and settled by what was used. Here too wait those
 * that a provider asked to pause.
 */
export function limiter({ admission, clock }: BuiltInServices): Plugin {
  const { limiter: gatekeeper, learned, slowStart, correction } = admission
  let permits = 0
  return definePlugin({
    name: 'limiter',
    attempt: {
      run(attempt, next) {
        const { name, state } = attempt.candidate
        const limits = admission.ofModel(name)
        const group = `model:${name}`
        const isGated = learned.knows(group) || slowStart.knows(group) || state.hold() !== undefined
        if (limits.length === 0 && !isGated) return sendHolding(attempt, next)
        // While one waits for room the provider may ask for a pause: whoever may wait asks again when its turn comes.
        const asks = isGated || attempt.mayWait
        return withinLimits(attempt, next, { limits, ...(asks && { gate: gateFor(group, attempt) }) })
      },
    },
  })

  function withinLimits(
    attempt: Attempt,
    next: Handler<Attempt>,
    bounds: Pick<WaitRequest, 'limits' | 'gate'>,
  ): Promise<Reply> {
    const { name } = attempt.candidate
    const estimated = expectedTokens(tokensOf(attempt.call.request))
    const tokens = withinReach(correction.correct(name, estimated), estimated, bounds.limits)
    const asked = { ...request(attempt), ...bounds, tokens }
    return after(acquire(gatekeeper, asked), (answer) => {
      if (!answer.granted) throw limitError(answer, name)
      let wasSent = false
      const onSend = (entry: AttemptRecord) => {
        wasSent = true
        attempt.onSend?.(entry)
      }
      return sendHolding({ ...attempt, onSend }, next).then(
        (reply) => {
          void reply.ended.then(({ usage, estimated: isGuess }) => {
            const actual = tokensUsed(usage)
            return after(answer.settle({ tokens: actual }), () => {
              if (!isGuess) correction.observe(name, { estimated, actual })
            })
          })
          return reply
        },
        async (error: unknown) => {
          await giveBack(error, wasSent, answer)
          throw error
        },
      )
    })
  }

  function gateFor(group: string, attempt: Attempt): Gate {
    const { hold } = attempt.candidate.state
    // What else a model is held for is not waited for: whoever stood in the queue by then hears of it from the provider.
    const pausedUntilMs = () => {
      const held = hold()
      if (held?.reason.code !== 'upstream_rate_limited') return undefined
      refuseUnlessWorthWaiting(held, attempt, clock.now())
      return held.untilMs
    }
    const start = slowStart.gate(group, pausedUntilMs)
    const told = learned.gate(group)
    return {
      group,
      check: (need) => start.check(need) ?? told.check(need),
      pass(need) {
        start.pass(need)
        told.pass(need)
      },
    }
  }

  function request({ call, mayWait, signal, deadline }: Attempt): Omit<WaitRequest, 'limits' | 'tokens'> {
    const id = `${call.key}/${++permits}`
    const leaseMs = leaseMsUntil(deadline, clock.now())
    return { id, leaseMs, mayWait, signal, deadline, priority: priorityOf(call) }
  }
}

/** What was learned from other requests makes none too large for a limit that it fits by its own estimate. */
function withinReach(corrected: number, estimated: number, limits: readonly Limit[]): number {
  let tokens = corrected
  for (const { kind, limit } of limits) if (kind === 'tokens' && tokens > limit) tokens = Math.max(estimated, limit)
  return tokens
}

/** What was never sent takes nothing; what was refused, no tokens. */
function giveBack(error: unknown, wasSent: boolean, permit: Permit): MaybePromise<void> {
  if (!wasSent) return permit.release()
  if (!isSignalboxError(error)) return permit.settle({})
  if (isUnconnected(error)) return permit.release()
  return permit.settle({ tokens: error.status === undefined ? undefined : 0 })
}
