import type { CachedAnswer } from '../cache/answer.ts'
import type { Clock } from '../clock.ts'
import { collect, replay, withoutUsage } from '../dialects/change-kind.ts'
import { dialects } from '../dialects/index.ts'
import { plainReply, streamOf, streamReply } from '../reply.ts'
import { stopOf } from '../dialects/stop-reason.ts'
import type { CallRecord } from '../record.ts'
import type { Call, Ended, Reply } from '../types.ts'

/** The answer as a cache keeps it. */
export function cachedAnswer(
  call: Call,
  reply: Reply,
  whole: { body: Uint8Array; ended: Ended },
  clock: Clock,
): CachedAnswer {
  const { dialect, model, headers } = reply
  const { record, request } = call
  return {
    dialect,
    model,
    headers: { 'content-type': headers['content-type'] ?? 'application/json' },
    streamed: !(reply.body instanceof Uint8Array),
    tellsUsage: dialects[dialect].wantsUsage(request),
    body: whole.body,
    usage: whole.ended.usage,
    // What a layer further in had is as old as it was there.
    storedAt: clock.wallTime() - 1_000 * Number(headers['age'] ?? 0),
    costNanoUsd: costOf(record),
    tookMs: clock.now() - record.startedMs,
  }
}

/** A reply that says whether it was in a cache, and how old it is. Where a layer further in had it, its word holds. */
export function told(reply: Reply, outcome: 'hit' | 'miss' | 'bypass', ageMs?: number): Reply {
  if (outcome !== 'hit' && reply.headers['x-signalbox-cache'] === 'hit') return reply
  const age = ageMs === undefined ? {} : { age: String(Math.floor(ageMs / 1_000)) }
  return { ...reply, headers: { ...reply.headers, ...age, 'x-signalbox-cache': outcome } }
}

/** What the attempts of a call have cost, in nano-USD. */
export function costOf({ attempts }: CallRecord): number {
  return attempts.reduce((sum, { costNanoUsd = 0 }) => sum + costNanoUsd, 0)
}

/** The reply that gives a caller a kept answer, as a stream or plain as it asked. Undefined where that cannot be said. */
export function cachedReply(call: Call, answer: CachedAnswer): Reply | undefined {
  const { request } = call
  const { body, headers, model } = answer
  // The caller could not read it.
  if (answer.dialect !== call.dialect) return undefined
  const dialect = dialects[answer.dialect]
  const wantsStream = request.parameters.stream
  if (answer.streamed === wantsStream && (!wantsStream || answer.tellsUsage === dialect.wantsUsage(request)))
    return wantsStream ? stream(body, headers) : plain(body, headers)
  if (answer.streamed && wantsStream && answer.tellsUsage) return stream(withoutUsage(body, dialect), headers)
  if (!canChangeKind(call)) return undefined
  const asked = { body: request.body, startedAt: call.record.startedAt }
  const whole = answer.streamed ? collect(body, dialect, asked, answer.usage) : body
  if (!wantsStream) return whole && plain(whole, plainHeaders)
  const written = whole && replay(whole, dialect, asked)
  return written && stream(written, streamHeaders)

  function plain(bytes: Uint8Array, own: Reply['headers']): Reply {
    return plainReply({ status: 200, headers: own, dialect: answer.dialect, model, body: bytes })
  }

  function stream(bytes: Uint8Array, own: Reply['headers']): Reply {
    return streamReply({ status: 200, headers: own, dialect: answer.dialect, model, body: streamOf([bytes]) })
  }
}

const plainHeaders = { 'content-type': 'application/json' }
const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8' }

/** Whether an answer may become plain from a stream, or the other way: some of what it may hold is lost on that way. */
export function canChangeKind({ request: { body, parameters } }: Call): boolean {
  const { logprobs, top_logprobs: likeliest, audio, include } = body
  const wantsProbabilities = logprobs || likeliest || (Array.isArray(include) && include.includes(outputLogprobs))
  return !wantsProbabilities && !audio && (parameters.choices ?? 1) === 1
}

/** How a caller of responses asks for the probabilities of tokens. */
const outputLogprobs = 'message.output_text.logprobs'

/** Whether a model was let write less than its caller may have, for want of money: another one may have more of that. */
export function isCapped({ record }: Call, { model }: Reply): boolean {
  return record.attempts.some((attempt) => attempt.outputCap !== undefined && attempt.model === model)
}

/** Whether a whole answer stops where the money did. */
export function isCutByMoney(call: Call, reply: Reply, body: Uint8Array): boolean {
  if (!isCapped(call, reply)) return false
  const isStream = !(reply.body instanceof Uint8Array)
  const { choices = 1 } = call.request.parameters
  const stop = choices > 1 ? undefined : stopOf({ body, isStream }, dialects[reply.dialect])
  return stop === undefined || stop === 'length'
}
