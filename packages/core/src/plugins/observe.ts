import { isSignalboxError } from '../errors.ts'
import { definePlugin } from '../plugin.ts'
import type { Plugin } from '../plugin.ts'
import type { CallRecord } from '../record.ts'
import type { BuiltInServices } from '../pipeline.ts'

/** Tells when a call begins and ends, and writes one log line for it. */
export function observe({ events, clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'observe',
    call: {
      stage: 'observe',
      async run(call, next) {
        const { record, log } = call
        if (events.heard('call.started')) events.emit('call.started', { record })
        try {
          const reply = await next(call)
          record.model = reply.model
          record.outcome = 'ok'
          record.durationMs = clock.now() - record.startedMs
          if (events.heard('call.ended') || log) {
            void reply.ended.then((ended) => {
              record.durationMs = clock.now() - record.startedMs
              events.emit('call.ended', { record, ended })
              log?.info(
                { ...summary(record), ended: ended.how, usage: ended.usage, estimated: ended.estimated },
                'call answered',
              )
            })
          }
          return reply
        } catch (error) {
          record.outcome = isSignalboxError(error) ? error.code : 'internal_error'
          record.durationMs = clock.now() - record.startedMs
          events.emit('call.ended', { record, error })
          log?.info({ ...summary(record), message: isSignalboxError(error) ? error.message : undefined }, 'call failed')
          throw error
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
