import { isSignalboxError } from '../errors.ts'
import { definePlugin } from '../plugin.ts'
import type { Plugin } from '../plugin.ts'
import type { CallRecord } from '../record.ts'
import { costUsd } from '../record-cost.ts'
import type { BuiltInServices } from '../pipeline.ts'

/** Tells when a call begins and ends, and writes one log line for it. */
export function observe({ events, clock, contentLog }: BuiltInServices): Plugin {
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
            const content = log && contentLog?.follow(call, reply)
            void reply.ended.then((ended) => {
              record.durationMs = clock.now() - record.startedMs
              events.emit('call.ended', { record, ended })
              log?.info(
                {
                  ...summary(record),
                  ended: ended.how,
                  usage: ended.usage,
                  estimated: ended.estimated,
                  ...content?.(),
                },
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

function summary({ id, key, route, model, outcome, attempts, failovers, durationMs, identity }: CallRecord) {
  const { committedMs } = attempts.findLast(({ model: name }) => name === model) ?? {}
  return {
    id,
    callKey: key,
    route,
    model,
    outcome,
    attempts: attempts.length,
    failovers: failovers.length,
    durationMs: Math.round(durationMs ?? 0),
    firstTokenMs: committedMs === undefined ? undefined : Math.round(committedMs),
    costUsd: costUsd(attempts),
    user: identity.user,
    key: identity.key,
    team: identity.team,
    tags: identity.tags,
  }
}
