import { type CachedAnswer, isCachedAnswer, largestAnswerBytes } from './cache/answer.ts'
import { type CacheWishes, readCacheControl } from './cache/cache-control.ts'
import { layerMs } from './cache/layer.ts'
import { cachedReply, costOf, isCutByMoney, told } from './call-cache/cached-reply.ts'
import { dialects } from './dialects/index.ts'
import { SignalboxError } from './errors.ts'
import { type HookOptions, type Plugin, type PluginServices, checkFunctions, definePlugin } from './plugin.ts'
import { costOfHeld, whenOver } from './money/held-money.ts'
import { isRecord } from './is-record.ts'
import { bytesOf, noUsage } from './reply.ts'
import type { Attempt, Call, HeldMoney, Reply } from './types.ts'

/** What a lift may set besides its function. */
export type LiftOptions = Pick<HookOptions<Call>, 'enforce' | 'before' | 'after' | 'timeoutMs' | 'onError'>

/** Reads a call and says what it is: a label by its name, or none. */
export type Classify = (call: Call) => Labels | undefined | Promise<Labels | undefined>

/** Labels by name, such as `{ task: 'code', complexity: 'simple' }`. */
export type Labels = Readonly<Record<string, string>>

/**
 * A plugin that labels calls, at the stage `classify`. Labels of later classifiers win over those of earlier ones.
 *
 * @example
 * const language = classifier('language', (call) => ({ language: /[àạảãđ]/.test(call.request.text) ? 'vi' : 'en' }))
 */
export function classifier(name: string, classify: Classify, options: LiftOptions = {}): Plugin {
  checkFunctions(name, { classify })
  return definePlugin({
    name,
    call: {
      ...options,
      stage: 'classify',
      async run(call, next) {
        const labels = await classify(call)
        if (!labels) return next(call)
        if (!isRecord(labels) || !Object.values(labels).every((label) => typeof label === 'string'))
          throw new TypeError(`a classifier gives texts by name, got ${JSON.stringify(labels)}`)
        const merged = { ...call.labels, ...labels }
        call.record.labels = merged
        return next({ ...call, labels: merged })
      },
    },
  })
}

/** Looks at a call and lets it pass (returns nothing, or a changed call), or throws: {@link refuse} makes the error. */
export type Guard = (call: Call) => Call | void | Promise<Call | void>

/**
 * A plugin that may refuse or change calls, at the stage `guard`. It sees every call, and when it fails the call is
 * refused, unless `onError` is `open`.
 *
 * @example
 * const noPictures = guard('no-pictures', (call) => {
 *   if (call.request.modality.has('image')) throw refuse('No pictures, please.')
 * })
 */
export function guard(name: string, check: Guard, options: LiftOptions = {}): Plugin {
  checkFunctions(name, { check })
  return definePlugin({
    name,
    call: { ...options, stage: 'guard', run: async (call, next) => next((await check(call)) ?? call) },
  })
}

/** The error with which a guard refuses a call: 403 with this message, which the caller sees. */
export function refuse(message: string): SignalboxError {
  return new SignalboxError('refused', message)
}

/** What watches over money of its own. */
export interface BudgetGuard<Hold> {
  /**
   * Called before each attempt, with the most that it can cost: undefined at a price that nobody knows. What it gives is
   * handed to `settle`; what it throws refuses the attempt ({@link refuse} ends the call).
   */
  hold(attempt: Attempt, boundNanoUsd: number | undefined): Hold | Promise<Hold>
  /** Called once when the attempt has ended, with what it cost: 0 where nothing was billed, undefined where nobody knows. */
  settle?(hold: Hold, costNanoUsd: number | undefined, attempt: Attempt): void | Promise<void>
}

/**
 * A plugin that may refuse attempts for their money, and hears of what each has cost, at the stage `budget` of the attempt
 * ring. Amounts are in nano-USD. A request that sets no limit on its output gets one, so that its bound holds. When the
 * guard fails the attempt is refused, unless `onError` is `open`; a `settle` that fails touches no call, and is logged.
 *
 * @example
 * let leftNanoUsd = 1e9
 * const pocketMoney = budgetGuard('pocket-money', {
 *   hold(_attempt, boundNanoUsd = Infinity) {
 *     if (boundNanoUsd > leftNanoUsd) throw refuse('The pocket money is spent.')
 *     leftNanoUsd -= boundNanoUsd
 *     return boundNanoUsd
 *   },
 *   settle: (heldNanoUsd, costNanoUsd = heldNanoUsd) => void (leftNanoUsd += heldNanoUsd - costNanoUsd),
 * })
 */
export function budgetGuard<Hold>(
  name: string,
  budget: BudgetGuard<Hold>,
  options: Omit<HookOptions<Attempt>, 'run' | 'stage'> = {},
): Plugin {
  checkFunctions(name, { hold: budget?.hold, ...(budget?.settle !== undefined && { settle: budget.settle }) })
  let services: PluginServices | undefined
  const settleSafely = async (hold: Hold, held: HeldMoney, attempt: Attempt) => {
    try {
      await budget.settle?.(hold, costOfHeld(held), attempt)
    } catch (error) {
      attempt.call.log?.warn({ err: error, plugin: name }, 'a budget guard could not settle')
    }
  }
  return definePlugin({
    name,
    setup: (given) => void (services = given),
    attempt: {
      ...options,
      stage: 'budget',
      async run(given, next) {
        const attempt = services?.boundOutput(given) ?? given
        const boundNanoUsd = services?.costBoundNanoUsd(attempt)
        const held: HeldMoney = { nanoUsd: boundNanoUsd ?? Infinity, around: attempt.held, mayGoUnwritten: false }
        const hold = await budget.hold(attempt, boundNanoUsd)
        try {
          const reply = await next({ ...attempt, held })
          void reply.ended.then(() => whenOver(held, () => settleSafely(hold, held, attempt)))
          return reply
        } catch (error) {
          await whenOver(held, () => settleSafely(hold, held, attempt))
          throw error
        }
      },
    },
  })
}

/** An answer as a cache layer keeps it. What may be left out is told where it is there: its age, what it saves, and what was used. */
export type StoredAnswer = Pick<CachedAnswer, 'dialect' | 'model' | 'headers' | 'streamed' | 'body'> &
  Partial<Pick<CachedAnswer, 'tellsUsage' | 'usage' | 'storedAt' | 'costNanoUsd'>>

/** Where answers are kept. A stream is given as a plain answer, and the other way, as the call asks. Which calls may share an answer is the layer's to say: it makes its own key. */
export interface CacheLayer {
  get(call: Call): StoredAnswer | undefined | Promise<StoredAnswer | undefined>
  set(call: Call, answer: StoredAnswer): void | Promise<void>
}

/**
 * A plugin that answers calls from memory, at the stage `cache`. Only whole answers with status 200 are handed to
 * `set`: never errors, cut streams, aborted answers, those of more than 8 MiB, those that were not read to their end, that
 * stop where a budget did, or that a budget near its end had made by another route. A `set` that fails does not
 * touch the call, and a `get` that fails, or takes longer than `timeoutMs` (a second), is a miss, unless `onError` is
 * `closed`. The caller's `Cache-Control` is kept: with `no-store` the layer is not asked at all, with `no-cache` only told.
 *
 * @example
 * const answers = new Map<string, StoredAnswer>()
 * const key = (call: Call) => JSON.stringify([call.identity.team, call.request.body])
 * const inMemory = cacheLayer('in-memory', {
 *   get: (call) => answers.get(key(call)),
 *   set: (call, answer) => void answers.set(key(call), answer),
 * })
 */
export function cacheLayer(name: string, layer: CacheLayer, options: LiftOptions = {}): Plugin {
  checkFunctions(name, { get: layer?.get, set: layer?.set })
  return definePlugin({
    name,
    call: {
      ...options,
      onError: options.onError ?? 'open',
      timeoutMs: options.timeoutMs ?? layerMs,
      stage: 'cache',
      async run(call, next) {
        const wishes = readCacheControl(call.cacheControl)
        if (wishes.noStore) return told(await next(call), 'bypass')
        const stored = wishes.noCache ? undefined : await layer.get(call)
        const kept = stored && restored(name, call, stored, wishes)
        if (kept) return kept
        const reply = await next(call)
        keep(call, reply, (answer) => layer.set(call, answer)).catch((error: unknown) =>
          call.log?.warn({ err: error, plugin: name }, 'a cache layer could not keep an answer'),
        )
        return told(reply, 'miss')
      },
    },
  })
}

/** As a stream or plain, as the call asks. Undefined where the answer cannot be said so, or is older than the caller wants it. */
function restored(name: string, call: Call, stored: StoredAnswer, { maximumAgeMs }: CacheWishes): Reply | undefined {
  const answer = { tellsUsage: true, usage: noUsage, storedAt: 0, costNanoUsd: 0, tookMs: 0, ...stored }
  if (!isCachedAnswer(answer)) {
    call.log?.warn({ plugin: name }, 'a cache layer gave what is no answer')
    return undefined
  }
  const { record } = call
  const ageMs = stored.storedAt === undefined ? undefined : Math.abs(record.startedAt - stored.storedAt)
  if ((ageMs ?? Infinity) > maximumAgeMs) return undefined
  // A copy: what one caller does to its bytes is not for the next one to see.
  const reply = cachedReply(call, { ...answer, body: Buffer.from(answer.body) })
  if (!reply) return undefined
  if (!record.cache || record.cache.outcome === 'bypass') {
    record.cache = {
      outcome: 'hit',
      layer: name,
      bytes: stored.body.length,
      ...(ageMs !== undefined && { ageMs }),
      ...(stored.costNanoUsd !== undefined && { savedNanoUsd: stored.costNanoUsd }),
    }
  }
  return told(reply, 'hit', ageMs)
}

async function keep(call: Call, reply: Reply, set: (answer: StoredAnswer) => void | Promise<void>): Promise<void> {
  if (reply.status !== 200) return
  const { dialect, model, body } = reply
  const streamed = !(body instanceof Uint8Array)
  const chunks: Uint8Array[] = streamed ? [] : [Buffer.from(body)]
  let bytes = streamed ? 0 : body.length
  const gather = (chunk: Uint8Array) => {
    bytes += chunk.length
    if (bytes <= largestAnswerBytes) chunks.push(chunk)
    else chunks.length = 0
  }
  const passed = streamed && new Promise<void>((resolve) => body.tap(gather, resolve))
  const [{ how, usage }] = await Promise.all([reply.ended, passed])
  if (bytes > largestAnswerBytes) return
  const whole = bytesOf(chunks)
  const { record, request } = call
  if (how !== 'complete' || record.degradedTo !== undefined || isCutByMoney(call, reply, whole)) return
  const headers = { 'content-type': reply.headers['content-type'] ?? 'application/json' }
  const used = { tellsUsage: dialects[dialect].wantsUsage(request), usage }
  const kept = { storedAt: record.startedAt, costNanoUsd: costOf(record) }
  await set({ dialect, model, headers, streamed, body: whole, ...used, ...kept })
}
