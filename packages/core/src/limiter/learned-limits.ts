import type { Clock } from '../clock.ts'
import type { LimitKind, Need } from './limits.ts'
import { type ProviderLimit, type RateLimitHeaders, readRateLimitHeaders } from './rate-limit-headers.ts'
import type { Gate, Shortage } from './types.ts'

/** What the providers' own headers say is left, where that may be less than our limits allow. */
export interface LearnedLimits {
  /** Learns from an answer's headers. What they do not say stays as it was. */
  observe(group: string, headers: RateLimitHeaders): void
  /** Stops a call that would be over what is left. It knows nothing any more once the provider's reset has come. */
  gate(group: string): Gate
  /** Whether anything was ever learned of a group, so that asking can be left out. */
  knows(group: string): boolean
  /** What is left now, for those limits of which something is known. */
  read(group: string): readonly Shortage[]
}

interface Known {
  limit: number | undefined
  /** What was left at the time `at`, less what has been let through since. */
  left: number
  at: number
  /** How much comes back in a millisecond; 0 when it all comes back at the reset. */
  refill: number
  resetsAt: number
}

/** Headers without which an answer says nothing of limits: most say nothing, and reading them all is not free. */
const telling = [
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'anthropic-ratelimit-requests-remaining',
  'anthropic-ratelimit-tokens-remaining',
  'anthropic-ratelimit-input-tokens-remaining',
]

type Kind = Exclude<LimitKind, 'concurrency'>
const kinds: readonly Kind[] = ['requests', 'tokens']

/**
 * Remembers the providers' limits, one set for each group. Where the limit is told, what is missing comes back evenly
 * until the reset, as OpenAI's and Anthropic's buckets do; where not, all at once.
 */
export function createLearnedLimits({ clock }: { clock: Clock }): LearnedLimits {
  const groups = new Map<string, Partial<Record<Kind, Known>>>()

  function observe(group: string, headers: RateLimitHeaders) {
    if (!telling.some((name) => headers[name] !== undefined)) return
    const said = readRateLimitHeaders(headers, clock.wallTime())
    for (const kind of kinds) {
      const limit = said[kind]
      if (limit === undefined) continue
      const known = groups.get(group) ?? {}
      known[kind] = learn(limit)
      groups.set(group, known)
    }
  }

  function learn({ limit, remaining, resetMs }: ProviderLimit): Known {
    const at = clock.now()
    const refill = limit === undefined ? 0 : (limit - remaining) / resetMs
    return { limit, left: remaining, at, refill, resetsAt: at + resetMs }
  }

  function gate(group: string): Gate {
    return { group, check: (need) => check(group, need), pass: (need) => pass(group, need) }
  }

  function check(group: string, need: Need): Shortage | undefined {
    let worst: Shortage | undefined
    for (const kind of kinds) {
      const known = knownNow(group, kind)
      if (known === undefined || need[kind] <= leftOf(known)) continue
      const shortage = describe(kind, known, need[kind])
      if (worst === undefined || shortage.retryAfterMs! > worst.retryAfterMs!) worst = shortage
    }
    return worst
  }

  function pass(group: string, need: Need) {
    for (const kind of kinds) {
      const known = knownNow(group, kind)
      if (known !== undefined) known.left -= need[kind]
    }
  }

  function read(group: string): readonly Shortage[] {
    return kinds.flatMap((kind) => {
      const known = knownNow(group, kind)
      return known === undefined ? [] : [describe(kind, known, 0)]
    })
  }

  function knownNow(group: string, kind: Kind): Known | undefined {
    const known = groups.get(group)?.[kind]
    return known !== undefined && clock.now() < known.resetsAt ? known : undefined
  }

  const leftOf = ({ left, at, refill }: Known) => left + refill * (clock.now() - at)

  function describe(kind: Kind, known: Known, needed: number): Shortage {
    const resetMs = known.resetsAt - clock.now()
    const left = leftOf(known)
    const missing = Math.max(0, needed - left)
    const refillMs = known.refill > 0 ? missing / known.refill : Infinity
    const retryAfterMs = missing === 0 ? 0 : Math.min(resetMs, refillMs)
    const remaining = Math.max(0, Math.floor(left))
    return { kind, limit: known.limit ?? remaining, remaining, resetMs, retryAfterMs }
  }

  return { observe, gate, knows: (group) => groups.has(group), read }
}
