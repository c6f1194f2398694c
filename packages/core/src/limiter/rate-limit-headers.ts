/** Header names in lower case. */
export type RateLimitHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a provider says is left of one of its limits. */
export interface ProviderLimit {
  /** Undefined where it does not say. */
  limit: number | undefined
  remaining: number
  /** Milliseconds until all of it is back. */
  resetMs: number
}

export interface ProviderLimits {
  requests: ProviderLimit | undefined
  tokens: ProviderLimit | undefined
}

/**
 * Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (OpenAI and those like it; a reset is a duration such as
 * `6m0s` or `120ms`, or seconds) and `anthropic-ratelimit-{requests,tokens,input-tokens}-{limit,remaining,reset}` (a
 * reset is an RFC 3339 time). What makes no sense, such as Azure's limits of 0 and -1, counts as not said.
 */
export function readRateLimitHeaders(headers: RateLimitHeaders, wallTime: number): ProviderLimits {
  return { requests: firstOf(names.requests, headers, wallTime), tokens: firstOf(names.tokens, headers, wallTime) }
}

interface Names {
  limit: string
  remaining: string
  reset: string
}

const openai = (kind: string): Names => ({
  limit: `x-ratelimit-limit-${kind}`,
  remaining: `x-ratelimit-remaining-${kind}`,
  reset: `x-ratelimit-reset-${kind}`,
})
const anthropic = (kind: string): Names => ({
  limit: `anthropic-ratelimit-${kind}-limit`,
  remaining: `anthropic-ratelimit-${kind}-remaining`,
  reset: `anthropic-ratelimit-${kind}-reset`,
})
/** Made once: answers come far too often to put names together. */
const names = {
  requests: [openai('requests'), anthropic('requests')],
  tokens: [openai('tokens'), anthropic('tokens'), anthropic('input-tokens')],
}

function firstOf(all: readonly Names[], headers: RateLimitHeaders, wallTime: number): ProviderLimit | undefined {
  for (const one of all) {
    const limit = read(headers, one, wallTime)
    if (limit) return limit
  }
  return undefined
}

function read(headers: RateLimitHeaders, one: Names, wallTime: number): ProviderLimit | undefined {
  if (headers[one.remaining] === undefined || headers[one.reset] === undefined) return undefined
  const remaining = wholeNumber(headers[one.remaining])
  const resetMs = resetIn(headers[one.reset], wallTime)
  if (remaining === undefined || resetMs === undefined) return undefined
  if (headers[one.limit] === undefined) return { limit: undefined, remaining, resetMs }
  const limit = wholeNumber(headers[one.limit])
  if (limit === undefined || limit === 0) return undefined
  return { limit, remaining: Math.min(remaining, limit), resetMs }
}

function wholeNumber(value: RateLimitHeaders[string]): number | undefined {
  const text = only(value)
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** A limit that is whole again only after a day is no limit per minute; such a reset is not believed. */
const longestResetMs = 86_400_000

function resetIn(value: RateLimitHeaders[string], wallTime: number): number | undefined {
  const text = only(value)
  if (text === undefined) return undefined
  const resetMs = /^\d{4}-\d\d-\d\d[Tt ]/.test(text) ? Date.parse(text) - wallTime : parseDuration(text)
  return resetMs !== undefined && resetMs > 0 && resetMs <= longestResetMs ? resetMs : undefined
}

const only = (value: RateLimitHeaders[string]) => (typeof value === 'string' ? value : value?.[0])?.trim()

const unitMs: Readonly<Record<string, number>> = {
  us: 0.001,
  µs: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of a duration as Go writes it, such as `1h2m3.5s`, or of a bare number of seconds. */
function parseDuration(text: string): number | undefined {
  if (text.length > 40) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000
  if (!/^(\d+(\.\d+)?(us|µs|ms|s|m|h|d))+$/.test(text)) return undefined
  let durationMs = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d)/g)) {
    durationMs += Number(number) * unitMs[unit!]!
  }
  return durationMs
}
