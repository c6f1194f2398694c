import { LRUCache } from 'lru-cache'
import { createCallFlights } from '../call-cache/answer-cache.ts'
import { requestOf, tenantOf } from '../call-cache/call-key.ts'
import type { CachedAnswer } from '../cache/answer.ts'
import { keyOf } from '../cache/key.ts'
import { SignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { cachedAnswer, cachedReply } from '../call-cache/cached-reply.ts'
import { answerTogether } from '../call-cache/shared-answer.ts'
import type { Call, Handler, Reply } from '../types.ts'

/** How long an answer is given again, and what all of them may take. */
const keptMs = 3_600_000
const maximumBytes = 32 * 1024 * 1024
/** What a key takes besides its answer. */
const overheadBytes = 512

interface Known {
  /** What was asked under the key. */
  readonly asked: string
  readonly answer?: CachedAnswer
  /** The calls with it that are under way, or were answered. */
  standing: number
}

/**
 * Makes one call of all that a caller sends with the same `Idempotency-Key`: those that come while the first is under way
 * wait with it, later ones get its answer for an hour. A call that failed may be sent again, or another one in its place.
 */
export function idempotency({ clock }: BuiltInServices): Plugin {
  const flights = createCallFlights(clock)
  const known = new LRUCache<string, Known>({
    maxSize: maximumBytes,
    sizeCalculation: ({ answer }) => overheadBytes + (answer?.body.length ?? 0),
    ttl: keptMs,
    perf: clock,
    ttlResolution: 0,
  })
  return definePlugin({
    name: 'idempotency',
    call: {
      enforce: 'pre',
      run: (call, next) => (call.idempotencyKey === undefined ? next(call) : answerOnce(call, next)),
    },
  })

  async function answerOnce(call: Call, next: Handler<Call>): Promise<Reply> {
    const name = keyOf([tenantOf(call.identity, 'identity'), call.idempotencyKey])
    const asked = keyOf([requestOf(call), call.request.body])
    const before = known.get(name)
    if (before && before.asked !== asked) throw mismatch()
    const again = before?.answer && cachedReply(call, before.answer)
    if (again) return { ...again, headers: { ...again.headers, 'idempotent-replayed': 'true' } }
    const pending = before ?? { asked, standing: 0 }
    pending.standing++
    known.set(name, pending)
    const leave = () => {
      if (--pending.standing === 0 && known.peek(name) === pending) known.delete(name)
    }
    try {
      const { reply } = await answerTogether(`${name} ${asked}`, call, next, {
        flights,
        clock,
        onComplete(whole, body, ended) {
          if (whole.status !== 200) return
          known.set(name, { asked, answer: cachedAnswer(call, whole, { body, ended }, clock), standing: 0 })
        },
      })
      // What was answered counts, though it may be too large to be given again.
      void reply.ended.then(({ how }) => (reply.status === 200 && how === 'complete' ? undefined : leave()))
      return reply
    } catch (error) {
      leave()
      throw error
    }
  }
}

const mismatch = () =>
  new SignalboxError('idempotency_mismatch', 'This Idempotency-Key was sent before, with another request')
