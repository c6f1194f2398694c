import type { Clock } from '../clock.ts'
import type { LimitKind, Need } from './limits.ts'
import { type ProviderLimit, type RateLimitHeaders, readRateLimitHeaders } from './rate-limit-headers.ts'
import type { Gate, Shortage } from './types.ts'

/** What the providers' own headers say is left, where that may be less than our limits allow. */
export interface LearnedLimits {
  /** Learns from an answer's headers. What they do not say, or what a later call was told, stays as it was. */
  observe(group: string, headers: RateLimitHeaders, answer?: ObservedAnswer): void
  /** Stops a call that would be over what is left. It knows nothing any more once the provider's reset has come. */
  gate(group: string): Gate
  /** Whether anything was ever learned of a group, so that asking can be left out. */
  knows(group: string): boolean
  /** What is left now, for those limits of which something is known. */
  read(group: string): readonly Shortage[]
}

/** What headers stood in. */
interface ObservedAnswer {
  /** When its call was sent, by `clock.now()`: the provider had not counted any later one. @default now */
  sentMs?: number | undefined
  /** How long the provider asked to be left alone: so long nothing comes back. @default 0 */
  pauseMs?: number | undefined
}

interface Known {
  limit: number | undefined
  /** When the call was sent that was told of it. */
  sentMs: number
  /** What was left then, less what has been let through since. */
  left: number
  /** When it begins to come back, and how much does in a millisecond: 0 when it all comes back at the reset. */
  refillsAt: number
  refill: number
  resetsAt: number
}

interface Group {
  known: Partial<Record<Kind, Known>>
  /** What was let through, oldest first, and may be later than what an answer under way will tell. */
  passes: { atMs: number; need: Need }[]
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

/** More calls under way than this are not reckoned with when an answer comes. */
const mostPasses = 8_192

/**
 * Remembers the providers' limits, one set for each group. What an answer tells is taken as it was when its call was
 * sent: calls let through since are taken off. Where the limit is told, what is missing comes back evenly until the
 * reset, as OpenAI's and Anthropic's buckets do; where not, all at once.
 */
export function createLearnedLimits({ clock }: { clock: Clock }): LearnedLimits {
  const groups = new Map<string, Group>()

  function observe(name: string, headers: RateLimitHeaders, answer: ObservedAnswer = {}) {
    if (!telling.some((header) => headers[header] !== undefined)) return
    const said = readRateLimitHeaders(headers, clock.wallTime())
    for (const kind of kinds) {
      const limit = said[kind]
      if (limit === undefined) continue
      const group = groups.get(name) ?? { known: {}, passes: [] }
      groups.set(name, group)
      learn(group, kind, limit, answer)
    }
    forgetPasses(groups.get(name))
  }

  /** Those that every kind has been told of in the meantime. */
  function forgetPasses(group: Group | undefined) {
    if (group === undefined) return
    const toldMs = Math.min(...Object.values(group.known).map(({ sentMs }) => sentMs))
    if (group.passes[0] !== undefined && group.passes[0].atMs <= toldMs)
      group.passes = group.passes.filter(({ atMs }) => atMs > toldMs)
  }

  function learn(group: Group, kind: Kind, told: ProviderLimit, answer: ObservedAnswer) {
    const now = clock.now()
    const { sentMs = now, pauseMs = 0 } = answer
    const before = group.known[kind]
    if (before !== undefined && sentMs < before.sentMs) return
    const { limit, remaining, resetMs } = told
    const left = group.passes.reduce((sum, { atMs, need }) => (atMs > sentMs ? sum - need[kind] : sum), remaining)
    group.known[kind] = {
      limit,
      sentMs,
      left: before?.sentMs === sentMs ? Math.min(before.left, left) : left,
      refillsAt: Math.max(sentMs, before?.refillsAt ?? 0, pauseMs && now + pauseMs),
      refill: limit === undefined ? 0 : (limit - remaining) / resetMs,
      resetsAt: now + resetMs,
    }
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

  function pass(name: string, need: Need) {
    const group = groups.get(name)
    if (group === undefined) return
    for (const kind of kinds) {
      const known = knownNow(name, kind)
      if (known !== undefined) known.left -= need[kind]
    }
    if (group.passes.push({ atMs: clock.now(), need }) > mostPasses) group.passes.shift()
  }

  function read(group: string): readonly Shortage[] {
    return kinds.flatMap((kind) => {
      const known = knownNow(group, kind)
      return known === undefined ? [] : [describe(kind, known, 0)]
    })
  }

  function knownNow(group: string, kind: Kind): Known | undefined {
    const known = groups.get(group)?.known[kind]
    return known !== undefined && clock.now() < known.resetsAt ? known : undefined
  }

  const leftOf = ({ left, refillsAt, refill }: Known) => left + refill * Math.max(0, clock.now() - refillsAt)

  function describe(kind: Kind, known: Known, needed: number): Shortage {
    const resetMs = known.resetsAt - clock.now()
    const left = leftOf(known)
    const missing = Math.max(0, needed - left)
    const untilRefillMs = Math.max(0, known.refillsAt - clock.now())
    const refillMs = known.refill > 0 ? untilRefillMs + missing / known.refill : Infinity
    const retryAfterMs = missing === 0 ? 0 : Math.min(resetMs, refillMs)
    const remaining = Math.max(0, Math.floor(left))
    return { kind, limit: known.limit ?? remaining, remaining, resetMs, retryAfterMs }
  }

  return { observe, gate, knows: (group) => groups.has(group), read }
}
