import type { SimulatedHeaders } from './faults.ts'

/** The limits that an upstream keeps by itself. What is left out is not limited. */
export interface EnforcedLimitOptions {
  readonly requestsPerMinute?: number
  /** Tokens of prompt and answer, counted when the request comes. */
  readonly tokensPerMinute?: number
  /**
   * `sliding-window` counts the last 60 seconds; `token-bucket` holds a minute's worth and fills up evenly.
   * @default 'sliding-window'
   */
  readonly method?: 'sliding-window' | 'token-bucket'
  /** How much a token bucket holds, as the time in which it fills up, in milliseconds. Headers tell this as the limit. @default 60_000 */
  readonly bucketMs?: number
  /** Whether every answer carries `x-ratelimit-*`. @default true */
  readonly headers?: boolean
}

/** What one limit says of a request. */
export interface LimitState {
  readonly kind: 'requests' | 'tokens'
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
  /** 0 when there is room. */
  readonly retryAfterMs: number
}

export interface EnforcedLimits {
  /** Takes a request of so many tokens, or tells which limit has no room for it and takes nothing. */
  take(tokens: number, nowMs: number): LimitState | undefined
  /** What `x-ratelimit-*` say now. */
  headers(nowMs: number): SimulatedHeaders
}

interface Meter {
  state(amount: number, nowMs: number): Omit<LimitState, 'kind'>
  take(amount: number, nowMs: number): void
}

const minuteMs = 60_000

export function createEnforcedLimits(options: EnforcedLimitOptions): EnforcedLimits {
  const { requestsPerMinute, tokensPerMinute, method = 'sliding-window', bucketMs = minuteMs } = options
  const meter = (limit: number) => (method === 'sliding-window' ? slidingWindow(limit) : tokenBucket(limit, bucketMs))
  const meters = [
    ...(requestsPerMinute === undefined ? [] : [{ kind: 'requests' as const, meter: meter(requestsPerMinute) }]),
    ...(tokensPerMinute === undefined ? [] : [{ kind: 'tokens' as const, meter: meter(tokensPerMinute) }]),
  ]
  return {
    take(tokens, nowMs) {
      const amountOf = (kind: LimitState['kind']) => (kind === 'requests' ? 1 : tokens)
      const states = meters.map((one) => ({ kind: one.kind, ...one.meter.state(amountOf(one.kind), nowMs) }))
      const short = states
        .filter(({ retryAfterMs }) => retryAfterMs > 0)
        .toSorted((a, b) => b.retryAfterMs - a.retryAfterMs)
      if (short.length > 0) return short[0]
      for (const one of meters) one.meter.take(amountOf(one.kind), nowMs)
      return undefined
    },
    headers(nowMs) {
      if (options.headers === false) return {}
      return Object.assign(
        {},
        ...meters.map((one) => {
          const { limit, remaining, resetMs } = one.meter.state(0, nowMs)
          return {
            [`x-ratelimit-limit-${one.kind}`]: String(Math.floor(limit)),
            [`x-ratelimit-remaining-${one.kind}`]: String(Math.floor(remaining)),
            [`x-ratelimit-reset-${one.kind}`]: `${Math.ceil(resetMs)}ms`,
          }
        }),
      ) as SimulatedHeaders
    },
  }
}

function slidingWindow(limit: number): Meter {
  let taken: { atMs: number; amount: number }[] = []
  let head = 0
  let used = 0

  function slide(nowMs: number) {
    while (head < taken.length && taken[head]!.atMs + minuteMs <= nowMs) used -= taken[head++]!.amount
    if (head < 1_024 || head * 2 < taken.length) return
    taken = taken.slice(head)
    head = 0
  }

  function untilFitsMs(amount: number, nowMs: number) {
    let excess = used + amount - limit
    for (let index = head; excess > 0 && index < taken.length; index++) {
      excess -= taken[index]!.amount
      if (excess <= 0) return taken[index]!.atMs + minuteMs - nowMs
    }
    return excess > 0 ? Infinity : 0
  }

  return {
    state(amount, nowMs) {
      slide(nowMs)
      const resetMs = used > 0 ? taken.at(-1)!.atMs + minuteMs - nowMs : 0
      return { limit, remaining: limit - used, resetMs, retryAfterMs: untilFitsMs(amount, nowMs) }
    },
    take(amount, nowMs) {
      taken.push({ atMs: nowMs, amount })
      used += amount
    },
  }
}

/** A bucket that filled up for as long as it was told to holds enough. */
const rounding = 1e-6

function tokenBucket(limit: number, bucketMs: number): Meter {
  const perMs = limit / minuteMs
  const capacity = perMs * bucketMs
  let left = capacity
  let filledMs = 0

  function fill(nowMs: number) {
    left = Math.min(capacity, left + (nowMs - filledMs) * perMs)
    filledMs = nowMs
  }

  return {
    state(amount, nowMs) {
      fill(nowMs)
      const missing = amount > capacity ? Infinity : amount - left > rounding ? amount - left : 0
      return { limit: capacity, remaining: left, resetMs: (capacity - left) / perMs, retryAfterMs: missing / perMs }
    },
    take(amount) {
      left -= amount
    },
  }
}
