import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { EventBus } from '../events.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { AttemptRecord } from '../record.ts'
import type { Attempt, Ended } from '../types.ts'

/** Writes every attempt into the call's record, tells of it, and raises the alerts that an operator should act on. */
export function meter({ clock, events }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'meter',
    attempt: {
      stage: 'meter',
      async run(attempt, next) {
        const { record } = attempt.call
        const since = () => clock.now() - record.startedMs
        const entry: AttemptRecord = {
          model: attempt.candidate.name,
          provider: attempt.candidate.provider,
          number: attempt.number,
          startedMs: since(),
          outcome: 'pending',
        }
        record.attempts.push(entry)
        if (events.heard('attempt.started')) events.emit('attempt.started', { record, attempt: entry })
        try {
          const reply = await next(attempt)
          entry.committedMs = since()
          entry.outcome = 'ok'
          entry.status = reply.status
          void reply.ended.then((ended) => {
            entry.endedMs = since()
            entry.usage = ended.usage
            entry.estimated = ended.estimated
            entry.outcome = outcomeOf(ended)
            if (events.heard('attempt.ended')) events.emit('attempt.ended', { record, attempt: entry })
          })
          return reply
        } catch (error) {
          entry.endedMs = since()
          entry.outcome = isSignalboxError(error) ? error.code : 'internal_error'
          if (isSignalboxError(error))
            Object.assign(entry, {
              message: error.message,
              ...(error.status !== undefined && { status: error.status }),
            })
          events.emit('attempt.ended', { record, attempt: entry, error })
          if (isSignalboxError(error)) alert(error, attempt, events)
          throw error
        }
      },
    },
  })
}

const outcomes: Record<Ended['how'], AttemptRecord['outcome']> = {
  complete: 'ok',
  cut: 'stream_interrupted',
  stalled: 'stream_timeout',
  cancelled: 'cancelled',
}
const outcomeOf = ({ how }: Ended) => outcomes[how]

const alerts = {
  provider_auth_failed: 'provider_auth',
  upstream_quota_exhausted: 'provider_quota',
  provider_model_not_found: 'provider_model',
} as const

function alert(error: SignalboxError, { candidate }: Attempt, events: EventBus): void {
  const kind = alerts[error.code as keyof typeof alerts] as (typeof alerts)[keyof typeof alerts] | undefined
  if (kind) events.emit('alert', { kind, model: candidate.name, domain: candidate.domain, message: error.message })
}
