import type { Clock } from './clock.ts'
import type { LimitRule, LimitSettings, ModelLimits } from './config/limits.ts'
import { type SignalboxError, errorWithoutStack } from './errors.ts'
import { type AdaptiveConcurrency, createAdaptiveConcurrency } from './limiter/adaptive-concurrency.ts'
import { type EstimateCorrection, createEstimateCorrection } from './limiter/estimate-correction.ts'
import { type LearnedLimits, createLearnedLimits } from './limiter/learned-limits.ts'
import { createLimiter } from './limiter/limiter.ts'
import { type Limit, createAdaptiveLimit, createLimits } from './limiter/limits.ts'
import { type SlowStart, createSlowStart } from './limiter/slow-start.ts'
import type { Limiter, Refusal } from './limiter/types.ts'
import { isPromise } from './store/after.ts'
import type { Store } from './store/store.ts'
import type { Call, Identity } from './types.ts'

/** Everything that says how much may go out: to models, on routes, and for callers. */
export interface Admission {
  readonly limiter: Limiter
  readonly learned: LearnedLimits
  readonly slowStart: SlowStart
  readonly correction: EstimateCorrection
  readonly store: Store
  /** What finds the concurrency that a model bears, where that is asked for. */
  adaptiveOf(model: string): AdaptiveConcurrency | undefined
  /** The limits of a model: its own and its tier's. */
  ofModel(name: string): readonly Limit[]
  /** Whether a model's limits leave room for a call now; true where only others know, in a shared store. */
  hasRoom(name: string): boolean
  /** The limits that count a call as a whole: its route's. */
  ofRoute(name: string): readonly Limit[]
  /** The limits of all routes and of all kinds of callers: each caller of a kind has such limits of its own. */
  readonly general: readonly Limit[]
  /** The limits of whoever calls. A scope that the caller does not say has one bucket for all who do not. */
  ofCaller(call: Call): readonly Limit[]
  /** The caps on one request that hold for a call. */
  capsOf(call: Call): readonly RequestCaps[]
}

/** What one request may ask for at the most. */
export interface RequestCaps {
  readonly maxChoices?: number | undefined
  readonly maxInputTokens?: number | undefined
  readonly maxOutputTokens?: number | undefined
}

/** The configuration of {@link createAdmission}. */
export interface AdmissionOptions {
  readonly store: Store
  readonly clock: Clock
  readonly models: Readonly<Record<string, { readonly limits?: ModelLimits | false | undefined }>>
  readonly routes: Readonly<Record<string, { readonly limits?: LimitSettings | false | undefined }>>
  readonly tiers: Readonly<Record<string, LimitSettings>>
  readonly rules: readonly LimitRule[]
  readonly maximumWaiting: number
}

const none: readonly Limit[] = []

/** Makes the limits of a configuration. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { store, clock, models, routes, tiers, rules, maximumWaiting } = options
  const tierLimits = mapValues(tiers, (tier, name) => createLimits(`tier:${name}`, tier))
  const adaptive = new Map<string, AdaptiveConcurrency>()
  const modelLimits = mapValues(models, ({ limits }, name) => {
    if (!limits) return none
    const group = `model:${name}`
    const shared = limits.tier === undefined ? none : tierLimits.get(limits.tier)!
    const own = createLimits(group, limits)
    if (!limits.adaptiveConcurrency) return [...own, ...shared]
    const found = createAdaptiveConcurrency(
      limits.adaptiveConcurrency === true ? {} : limits.adaptiveConcurrency,
      clock,
    )
    adaptive.set(name, found)
    return [...own, createAdaptiveLimit(group, found), ...shared]
  })
  const routeLimits = mapValues(routes, ({ limits }, name) => (limits ? createLimits(`route:${name}`, limits) : none))
  const callerLimits = new Map<string, readonly Limit[]>()

  const bucketLimits = (rule: LimitRule, place: number, bucket: string) => {
    const group = `rule:${place}:${rule.per}:${bucket}`
    let limits = callerLimits.get(group)
    if (!limits) {
      limits = createLimits(group, rule)
      if (callerLimits.size >= rememberedBuckets) callerLimits.clear()
      callerLimits.set(group, limits)
    }
    return limits
  }

  const learned = createLearnedLimits({ clock })

  function hasRoom(name: string): boolean {
    if (learned.gate(`model:${name}`).check({ requests: 1, tokens: 1 }) !== undefined) return false
    const readings = store.scope === 'process' && store.read((modelLimits.get(name) ?? none).map(({ key }) => key))
    if (!readings || isPromise(readings)) return true
    return readings.every(({ remaining = 1 }) => remaining > 0)
  }

  return {
    store,
    limiter: createLimiter({ store, clock, queue: { maximumWaiting } }),
    learned,
    hasRoom,
    slowStart: createSlowStart({ clock }),
    correction: createEstimateCorrection(),
    adaptiveOf: (name) => adaptive.get(name),
    ofModel: (name) => modelLimits.get(name) ?? none,
    general: [
      ...[...routeLimits.values()].flat(),
      ...rules.flatMap((rule, place) => createLimits(`rule:${place}:${rule.per}`, rule)),
    ],
    ofRoute: (name) => routeLimits.get(name) ?? none,
    ofCaller({ identity }) {
      if (rules.length === 0) return none
      const limits: Limit[] = []
      rules.forEach((rule, place) => {
        for (const each of bucketsOf(rule.per, identity)) limits.push(...bucketLimits(rule, place, each))
      })
      return limits
    },
    capsOf: ({ route }) => {
      const own = routes[route]?.limits
      return own ? [own, ...rules] : rules
    },
  }
}

/** Buckets whose limits are kept ready made. What is counted in them lies in the store. */
const rememberedBuckets = 10_000

/** The buckets that a rule counts a caller in. Whoever does not say what the rule goes by shares one bucket. */
function bucketsOf(per: LimitRule['per'], { key, user, team, tags }: Identity): readonly string[] {
  switch (per) {
    case 'all':
      return ['']
    case 'key':
      return [bucket(key)]
    case 'user':
      return [bucket(user)]
    case 'team':
      return [bucket(team)]
    case 'tag':
      return tags && tags.length > 0 ? [...new Set(tags)].map(bucket) : [bucket(undefined)]
  }
}

const bucket = (name: string | undefined) => (name === undefined ? 'anonymous' : `=${name}`)

/**
 * The error for a limit that left no room. It says which, and when to come back. Without a model it is a caller's or a route's,
 * which holds whichever model is tried.
 */
export function limitError(refusal: Refusal, model?: string): SignalboxError {
  const { reason, kind, limit, remaining, resetMs, retryAfterMs } = refusal
  const named = limit > 0 || reason === 'never'
  const about = {
    ...(model !== undefined && { model }),
    movesOn: model !== undefined,
    ...(named && { limit: { kind, limit, remaining, resetMs } }),
  }
  const unit = kind === 'concurrency' ? 'calls at one time' : `${kind} per minute`
  if (reason === 'never') {
    return errorWithoutStack('limit_exceeded', `The request asks for more than the limit of ${limit} ${unit}`, about)
  }
  const message = named ? `The limit of ${limit} ${unit} is reached` : 'The provider asked for a pause'
  return errorWithoutStack('rate_limit_exceeded', message, {
    ...about,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    reason,
  })
}

function mapValues<T, R>(
  record: Readonly<Record<string, T>>,
  map: (value: T, name: string) => R,
): ReadonlyMap<string, R> {
  return new Map(Object.entries(record).map(([name, value]) => [name, map(value, name)]))
}
