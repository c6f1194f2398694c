import { type AnswerCache, type Found, mayBeCached } from '../answer-cache.ts'
import { type CacheWishes, readCacheControl } from '../cache/cache-control.ts'
import type { CacheSettings } from '../cache/settings.ts'
import { dialects } from '../dialects/index.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { CacheRecord } from '../record.ts'
import { readBody } from '../reply.ts'
import type { Call, Ended, Handler, Reply } from '../types.ts'
import { cachedAnswer, cachedReply } from './cached-reply.ts'
import { type Sharing, answerTogether } from './shared-answer.ts'

/** Answers calls from what was answered before, and makes one call of those that ask the same at the same time. */
export function cache(services: BuiltInServices): Plugin {
  const { cache: answers } = services
  if (!answers) return definePlugin({ name: 'cache' })
  const closing = new AbortController()
  return definePlugin({
    name: 'cache',
    call: { stage: 'cache', run: (call, next) => answerCached(call, next, { ...services, answers, closing }) },
    close() {
      closing.abort()
      return answers.close()
    },
  })
}

interface Context extends BuiltInServices {
  readonly answers: AnswerCache
  /** Aborted when the router closes. */
  readonly closing: AbortController
}

async function answerCached(call: Call, next: Handler<Call>, context: Context): Promise<Reply> {
  const { answers, clock } = context
  const settings = answers.settingsOf(call.route)
  const wishes = readCacheControl(call.cacheControl)
  if (!settings || !mayBeCached(call, settings)) {
    answers.note(call, { outcome: 'bypass' })
    return told(await next(call), 'bypass')
  }
  const key = answers.keyOf(call)
  const found = wishes.noCache ? undefined : await answers.find(key)
  const ageMs = found ? Math.max(0, clock.wallTime() - found.answer.storedAt) : Infinity
  const reply = found && isFresh(ageMs, settings, wishes) ? cachedReply(call, found.answer) : undefined
  if (!reply) return askTogether(wishes.noCache ? `${key} ${call.key}` : key, key, { call, next, context })
  const isStale = ageMs > settings.ttlMs
  answers.note(call, hit(isStale ? 'stale' : 'hit', found!, { ageMs, tookMs: clock.now() - call.record.startedMs }))
  if (isStale) refresh(key, { call, next, context })
  return told(reply, 'hit', ageMs)
}

interface Asking {
  readonly call: Call
  readonly next: Handler<Call>
  readonly context: Context
}

async function askTogether(flight: string, key: string, { call, next, context }: Asking): Promise<Reply> {
  const { answers, clock } = context
  const { leads, reply } = await answerTogether(kindOf(flight, call), call, next, sharing(key, call, context))
  if (leads) {
    answers.note(call, { outcome: 'miss' })
    return told(reply, 'miss')
  }
  call.record.cache = { outcome: 'joined' }
  const tookMs = clock.now() - call.record.startedMs
  void reply.ended.then(async () => {
    const found = await answers.find(key)
    answers.note(call, found ? hit('joined', found, { ageMs: 0, tookMs }) : { outcome: 'joined' })
  })
  return told(reply, 'hit', 0)
}

/** Makes a new answer behind the back of the call that got an old one, and that pays for it. */
function refresh(key: string, { call, next, context }: Asking): void {
  const { flights } = context.answers
  const { signal } = context.closing
  const { reply } = flights.board(kindOf(key, call), {
    signal,
    deadline: call.deadline,
    start: (ending) => next({ ...call, signal: ending }),
    onComplete: sharing(key, call, context).onComplete,
  })
  reply.then(readBody).catch(() => undefined)
}

function sharing(key: string, call: Call, { answers, clock, routes }: Context): Sharing {
  return {
    flights: answers.flights,
    clock,
    onComplete(reply: Reply, body: Uint8Array, ended: Ended) {
      // A budget near its end may have sent the call by another route: that answer is not this route's.
      const isOwn = routes.find(call.route)?.candidates.has(reply.model)
      if (reply.status === 200 && isOwn) answers.keep(key, cachedAnswer(call, reply, { body, ended }, clock))
    },
  }
}

/** Streams are joined by streams that tell as much, plain answers by plain ones. */
function kindOf(key: string, { dialect, request }: Call): string {
  if (!request.parameters.stream) return `${key} plain`
  return `${key} ${dialects[dialect].wantsUsage(request) ? 'stream with usage' : 'stream'}`
}

function isFresh(
  ageMs: number,
  { ttlMs, staleWhileRevalidateMs }: CacheSettings,
  { maximumAgeMs }: CacheWishes,
): boolean {
  return ageMs <= Math.min(ttlMs + staleWhileRevalidateMs, maximumAgeMs)
}

function hit(
  outcome: CacheRecord['outcome'],
  { answer, layer }: Found,
  { ageMs, tookMs }: { ageMs: number; tookMs: number },
): CacheRecord {
  return {
    outcome,
    layer,
    ageMs,
    bytes: answer.body.length,
    savedNanoUsd: answer.costNanoUsd,
    savedMs: Math.max(0, answer.tookMs - tookMs),
  }
}

function told(reply: Reply, outcome: 'hit' | 'miss' | 'bypass', ageMs?: number): Reply {
  const age = ageMs === undefined ? {} : { age: String(Math.floor(ageMs / 1_000)) }
  return { ...reply, headers: { ...reply.headers, ...age, 'x-signalbox-cache': outcome } }
}
