import { isSignalboxError } from '../errors.ts'
import { definePlugin } from '../plugin.ts'
import type { Plugin } from '../plugin.ts'
import { type CallRecord, outcomesOfEnds } from '../record.ts'
import { costUsd } from '../record-cost.ts'
import type { BuiltInServices } from '../pipeline.ts'
import type { Ended, Usage } from '../types.ts'

/** Tells when a call begins and ends, and writes one log line for it. */
export function observe({ events, clock, contentLog }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'observe',
    call: {
      run(call, next) {
        const { record, log } = call
        if (events.heard('call.started')) events.emit('call.started', { record })
        return next(call).then(
          (reply) => {
            record.model = reply.model
            record.outcome = 'ok'
            record.durationMs = clock.now() - record.startedMs
            if (events.heard('call.ended') || log) {
              const content = log && contentLog?.follow(call, reply)
              void reply.ended.then((ended) => answered(ended, content))
            }
            return reply
          },
          (error: unknown) => {
            record.outcome = isSignalboxError(error) ? error.code : 'internal_error'
            record.durationMs = clock.now() - record.startedMs
            events.emit('call.ended', { record, error })
            const message = isSignalboxError(error) ? error.message : undefined
            log?.info({ ...summary(record), usage: usageOf(record), message }, 'call failed')
            throw error
          },
        )

        function answered(ended: Ended, content: ((ended: Ended) => object) | undefined): void {
          record.outcome = outcomesOfEnds[ended.how]
          record.durationMs = clock.now() - record.startedMs
          events.emit('call.ended', { record, ended })
          const { how, usage, estimated } = ended
          log?.info({ ...summary(record), ended: how, usage, estimated, ...content?.(ended) }, 'call answered')
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

/** What the attempts of a call used that may be billed; undefined where none did. */
function usageOf({ attempts }: CallRecord): Usage | undefined {
  const used = attempts.flatMap(({ usage }) => usage ?? [])
  const sum = (tokens: (usage: Usage) => number) => used.reduce((all, usage) => all + tokens(usage), 0)
  if (used.length === 0) return undefined
  return {
    inputTokens: sum(({ inputTokens }) => inputTokens),
    cachedInputTokens: sum(({ cachedInputTokens }) => cachedInputTokens),
    cacheWriteTokens: sum(({ cacheWriteTokens }) => cacheWriteTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    reasoningTokens: sum(({ reasoningTokens }) => reasoningTokens),
  }
}
