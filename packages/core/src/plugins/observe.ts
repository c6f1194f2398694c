import { isSignalboxError } from '../errors.ts'
import { definePlugin } from '../plugin.ts'
import type { Plugin } from '../plugin.ts'
import type { CallRecord } from '../record.ts'
import type { BuiltInServices } from '../pipeline.ts'
import type { Ended } from '../types.ts'

/** Tells when a call begins and ends, and writes one log line for it. */
export function observe({ events, clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'observe',
    call: {
      stage: 'observe',
      run(call, next) {
        const { record, log } = call
        if (events.heard('call.started')) events.emit('call.started', { record })
        return next(call).then(
          (reply) => {
            record.model = reply.model
            record.outcome = 'ok'
            record.durationMs = clock.now() - record.startedMs
            if (events.heard('call.ended') || log) void reply.ended.then(answered)
            return reply
          },
          (error: unknown) => {
            record.outcome = isSignalboxError(error) ? error.code : 'internal_error'
            record.durationMs = clock.now() - record.startedMs
            events.emit('call.ended', { record, error })
            const message = isSignalboxError(error) ? error.message : undefined
            log?.info({ ...summary(record), message }, 'call failed')
            throw error
          },
        )

        function answered(ended: Ended): void {
          record.durationMs = clock.now() - record.startedMs
          events.emit('call.ended', { record, ended })
          const { how, usage, estimated } = ended
          log?.info({ ...summary(record), ended: how, usage, estimated }, 'call answered')
        }
      },
    },
  })
}

function summary({ id, route, model, outcome, attempts, durationMs, identity }: CallRecord) {
  return {
    id,
    route,
    model,
    outcome,
    attempts: attempts.length,
    durationMs: Math.round(durationMs ?? 0),
    user: identity.user,
    key: identity.key,
  }
}
