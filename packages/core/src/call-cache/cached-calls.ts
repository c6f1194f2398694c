import type { AnswerCache, Found } from './answer-cache.ts'
import type { CachedAnswer } from '../cache/answer.ts'
import { type CacheWishes, readCacheControl } from '../cache/cache-control.ts'
import type { CacheSettings } from '../cache/settings.ts'
import { cachedAnswer, cachedReply, canChangeKind, isCapped, isCutByMoney, told } from './cached-reply.ts'
import type { Clock } from '../clock.ts'
import { dialects } from '../dialects/index.ts'
import type { CacheRecord } from '../record.ts'
import { readBody } from '../reply.ts'
import { type Sharing, answerTogether, joinAnswer } from './shared-answer.ts'
import { after } from '../store/after.ts'
import type { Call, Ended, Handler, Middleware, Parameters, Reply } from '../types.ts'

/** What calls are answered from a cache with. */
export interface CachedCallsOptions {
  readonly answers: AnswerCache
  readonly clock: Clock
  /** Aborted when nobody is answered any more. */
  readonly end: AbortSignal
}

/**
 * Answers calls from a cache, and hands on those that it has no answer to: of those that ask the same at the same time only
 * the first.
 */
export function createCachedCalls(options: CachedCallsOptions): Middleware<Call> {
  const { answers, clock, end } = options

  return function answerFromCache(call, next) {
    const settings = answers.settingsOf(call.route)
    const wishes = readCacheControl(call.cacheControl)
    if (!settings || !mayBeCached(call, settings, wishes)) {
      answers.note(call, { outcome: 'bypass' })
      return next(call).then((reply) => told(reply, 'bypass'))
    }
    const key = answers.keyOf(call)
    // What stops where one call's own bound does is no answer to a call that may cost more.
    const ask = (): Asking => ({
      key,
      flight: `${key} ${wishes.noCache ? call.key : (call.maxCostNanoUsd ?? '')}`,
      call,
      next,
    })
    if (wishes.noCache) return askTogether(ask())
    const newMs = Math.min(settings.ttlMs, wishes.maximumAgeMs)
    const askedAt = clock.wallTime()
    const answered = after(
      answers.find(key, (answer) => ageOf(answer, askedAt) <= newMs),
      (found) => {
        const ageMs = found ? ageOf(found.answer, askedAt) : Infinity
        const reply = found && isFresh(ageMs, settings, wishes) ? cachedReply(call, found.answer) : undefined
        if (!reply) return askTogether(ask())
        const isStale = ageMs > settings.ttlMs
        answers.note(call, hit(isStale ? 'stale' : 'hit', found!, { ageMs, tookMs: tookOf(call) }))
        if (isStale) refresh(ask())
        return told(reply, 'hit', ageMs)
      },
    )
    return Promise.resolve(answered)
  }

  async function askTogether(asking: Asking): Promise<Reply> {
    const { call, next } = asking
    const kind = kindOf(asking)
    const other = answers.flights.has(kind) ? undefined : otherKind(asking)
    const changed = other && (await joinOtherKind(other, asking))
    if (changed) return changed
    const { leads, reply } = await answerTogether(kind, call, next, sharing(asking))
    if (leads) {
      // A layer further in may have had it, and said so.
      answers.note(call, call.record.cache ?? { outcome: 'miss' })
      return told(reply, 'miss')
    }
    call.record.cache = { outcome: 'joined' }
    // The call has not ended before its record says what it saved.
    const ended = reply.ended.then(async (how) => {
      const tookMs = tookOf(call)
      const found = await findNew(asking)
      answers.note(call, found ? hit('joined', found, { ageMs: 0, tookMs }) : { outcome: 'joined' })
      return how
    })
    return told({ ...reply, ended }, 'hit', 0)
  }

  /** What a call may wait for: a stream for no other stream, for it would not be one any more. */
  function otherKind({ flight, call }: Asking): string | undefined {
    if (!canChangeKind(call)) return undefined
    const kinds = call.request.parameters.stream ? (['plain'] as const) : (['stream with usage', 'stream'] as const)
    return kinds.map((kind) => flightOf(flight, kind)).find((kind) => answers.flights.has(kind))
  }

  /** Waits for a stream under way where a plain answer is wanted, or the other way, and gives it as it is wanted. */
  async function joinOtherKind(kind: string, asking: Asking): Promise<Reply | undefined> {
    const { call } = asking
    if (!(await joinAnswer(kind, call, answers.flights))) return undefined
    const found = await findNew(asking)
    const reply = found && cachedReply(call, found.answer)
    if (!reply) return undefined
    answers.note(call, hit('joined', found, { ageMs: 0, tookMs: tookOf(call) }))
    return told(reply, 'hit', 0)
  }

  /** What was kept since a call began: what was there before it had its chance. */
  async function findNew({ key, call }: Asking): Promise<Found | undefined> {
    const isNew = ({ storedAt }: CachedAnswer) => storedAt >= call.record.startedAt
    const found = await answers.find(key, isNew)
    return found && isNew(found.answer) ? found : undefined
  }

  /** Makes a new answer behind the back of the call that got an old one, and that pays for it. */
  function refresh(asking: Asking): void {
    const { call, next } = asking
    const { reply } = answers.flights.board(kindOf(asking), {
      signal: end,
      deadline: call.deadline,
      start: (ending) => next({ ...call, signal: ending }),
      ...sharing(asking),
    })
    reply.then(readBody).catch(() => undefined)
  }

  function sharing({ key, call }: Asking): Sharing {
    // An answer that a budget near its end had made by another route is not this route's.
    const isOwn = () => call.record.degradedTo === undefined
    return {
      flights: answers.flights,
      clock,
      onComplete(reply: Reply, body: Uint8Array, ended: Ended) {
        if (reply.status !== 200 || !isOwn() || isCutByMoney(call, reply, body)) return
        answers.keep(key, cachedAnswer(call, reply, { body, ended }, clock))
      },
      // Callers that are one to the budgets have the same money left; where a stream stops nobody knows as it begins.
      isForItAlone: (reply) =>
        answers.per !== 'identity' &&
        (!isOwn() ||
          (reply.body instanceof Uint8Array ? isCutByMoney(call, reply, reply.body) : isCapped(call, reply))),
    }
  }

  function tookOf({ record }: Call): number {
    return clock.now() - record.startedMs
  }
}

/**
 * The age of an answer when it was asked for. One from later than that is from before the clock was set back, how long
 * before nobody knows; or it came while others were looked for.
 */
const ageOf = ({ storedAt }: CachedAnswer, askedAt: number) => Math.abs(askedAt - storedAt)

interface Asking {
  readonly key: string
  /** What calls have in common that may wait for one another. */
  readonly flight: string
  readonly call: Call
  readonly next: Handler<Call>
}

type Kind = 'plain' | 'stream' | 'stream with usage'

/** Streams are joined at once by streams that tell as much, plain answers by plain ones. */
function kindOf({ flight, call: { dialect, request } }: Asking): string {
  if (!request.parameters.stream) return flightOf(flight, 'plain')
  return flightOf(flight, dialects[dialect].wantsUsage(request) ? 'stream with usage' : 'stream')
}

const flightOf = (flight: string, kind: Kind) => `${flight} ${kind}`

function isFresh(
  ageMs: number,
  { ttlMs, staleWhileRevalidateMs }: CacheSettings,
  { maximumAgeMs }: CacheWishes,
): boolean {
  return ageMs <= Math.min(ttlMs + staleWhileRevalidateMs, maximumAgeMs)
}

/** Whether an answer may be kept for the next who ask: some ask for another one each time. */
export function mayBeCached(
  { request: { parameters } }: Call,
  { deterministicOnly }: Pick<CacheSettings, 'deterministicOnly'>,
  { noStore }: CacheWishes,
): boolean {
  return !noStore && (!deterministicOnly || asksForOneAnswer(parameters))
}

/** Whether a request asks for the same answer each time. */
export const asksForOneAnswer = ({ temperature, seed }: Parameters) => temperature === 0 || seed !== undefined

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
