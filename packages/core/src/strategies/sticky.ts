import { LRUCache } from 'lru-cache'
import { prefixesOf } from '../conversation/prefixes.ts'
import { type Price, inputTokensOf, pricesFor } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Call, CandidateView, Services, Usage } from '../types.ts'
import type { Outcome, RankContext, Ranked, Strategy } from './strategy.ts'
import { likelyCostNanoUsd } from './cheapest.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

/** Options of the strategy `sticky`. */
export interface StickyOptions {
  /** How the models are ordered where nothing speaks for staying. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
  /** How long a provider is taken to keep a prompt in its cache, in milliseconds. @default 300_000 */
  readonly ttlMs?: number | undefined
}

/** The model that answered a conversation last, and what its provider's prompt cache holds of it. */
interface Warm {
  readonly model: string
  readonly tokens: number
}

/** What a decision goes by. */
interface Assessed {
  readonly warm?: Warm
  readonly inner?: unknown
}

const defaultTtlMs = 300_000
const mostConversations = 10_000
/** Providers that cache by themselves do it for prompts of so many tokens. */
const leastCached = 1_024

/**
 * Keeps a conversation at the model that answered it last, as long as that is the cheaper choice for this call: with the
 * price of cached input for what the provider's prompt cache holds, against the first choice of the strategy inside, which
 * would read all of it anew. It does not stay at a model that is weaker than the call asks for. What it remembers lives in
 * the process.
 */
export function sticky(options: StickyOptions, { clock }: Services, make: MakeStrategy): Strategy {
  const { ttlMs = defaultTtlMs } = options
  const inner = make(options.strategy)
  const conversations = new LRUCache<string, Warm & { readonly at: number }>({ max: mostConversations })

  function warmFor({ request, identity, route }: Call, now: number): Warm | undefined {
    const earlier = prefixesOf(request, identity, route).slice(0, -1)
    const name = earlier.findLast((one) => conversations.has(one))
    const found = name === undefined ? undefined : conversations.peek(name)
    return found && now - found.at <= ttlMs ? { model: found.model, tokens: found.tokens } : undefined
  }

  function remember({ call, name, usage }: Extract<Outcome, { type: 'ended' }>): void {
    const whole = prefixesOf(call.request, call.identity, call.route).at(-1)
    if (whole === undefined || !usage) return
    const { price } = call.record.candidates.find((one) => one.name === name) ?? {}
    conversations.set(whole, { model: name, tokens: price ? cachedTokens(usage, price) : 0, at: clock.now() })
  }

  function assess(call: Call, candidates: readonly CandidateView[], context: Pick<RankContext, 'now'>): Assessed {
    const warm = warmFor(call, context.now)
    const ofInner = inner.assess?.(call, candidates, context)
    return { ...(warm && { warm }), ...(ofInner !== undefined && { inner: ofInner }) }
  }

  return {
    name: 'sticky',
    assess,
    rank(call, candidates, { random, now, assessment = assess(call, candidates, { now }) }) {
      const { warm, inner: ofInner } = assessment as Assessed
      const context = { random, now, ...(ofInner !== undefined && { assessment: ofInner }) }
      const ranking = inner.rank(call, candidates, context)
      const stay = (ranked: readonly Ranked[]) => staying({ call, candidates, ranked, warm })
      return ranking instanceof Promise ? ranking.then(stay) : stay(ranking)
    },
    observe(outcome) {
      if (outcome.type === 'ended' && outcome.ok) remember(outcome)
      if (outcome.type !== 'taken' && outcome.type !== 'rated') return inner.observe?.(outcome)
      const { assessment, ...told } = outcome
      const { inner: ofInner } = (assessment ?? {}) as Assessed
      inner.observe?.({ ...told, ...(ofInner !== undefined && { assessment: ofInner }) })
    },
    ...(inner.route && { route: (...given) => inner.route!(...given) }),
  }
}

interface Staying {
  readonly call: Call
  readonly candidates: readonly CandidateView[]
  readonly ranked: readonly Ranked[]
  readonly warm: Warm | undefined
}

/** The ranking with the warm model in front where that is the cheaper one; each says what it goes by. */
function staying({ call, candidates, ranked, warm }: Staying): readonly Ranked[] {
  // Prices are looked at for every candidate: what they were is then recorded, for when one of them has answered.
  const priced = new Map(candidates.map((view) => [view.name, { view, price: view.price }]))
  const [first] = ranked
  const home = ranked.find(({ name }) => name === warm?.model)
  if (!warm || !first || !home) return ranked
  const cold = likelyCostNanoUsd(call, priced.get(home.name)!.view)
  const tokens = Math.min(warm.tokens, tokensOf(call.request).inputTokens)
  const warmCost = likelyCostNanoUsd(call, priced.get(home.name)!.view, tokens)
  const there = likelyCostNanoUsd(call, priced.get(first.name)!.view)
  if (cold === undefined || warmCost === undefined || there === undefined) return ranked
  const saved = cold - warmCost
  const cache = `the prompt cache of ${home.name} holds about ${tokens} tokens, which saves ${usdOf(saved)} USD`
  if (home === first) return saved > 0 ? [because(first, cache), ...ranked.slice(1)].map(undrawn) : ranked
  if (home.weaker)
    return [because(first, `${home.name} is weaker than this asks for, so it leaves it`), ...ranked.slice(1)]
  if (saved <= 0 || warmCost > there) {
    const why = `cheaper than to stay at ${home.name}: ${usdOf(there)} against ${usdOf(warmCost)} USD`
    return warmCost > there ? [because(first, why), ...ranked.slice(1)] : ranked
  }
  const why = `stays: ${cache}; ${usdOf(warmCost)} against ${usdOf(there)} USD at ${first.name}`
  return [{ ...home, reason: why }, ...ranked.filter((one) => one !== home)].map(undrawn)
}

/** Where a conversation stays, chance decided nothing. */
const undrawn = ({ propensity: _propensity, ...one }: Ranked): Ranked => one

const because = (ranked: Ranked, why: string): Ranked => ({
  ...ranked,
  reason: ranked.reason ? `${ranked.reason}; ${why}` : why,
})

/**
 * The tokens that the provider's prompt cache is taken to hold after a call: what it says it read or wrote there. Where it
 * says neither, and writing costs nothing extra, it caches long prompts by itself if it has a price for cached ones.
 */
function cachedTokens(usage: Usage, price: Price): number {
  const input = inputTokensOf(usage)
  const { input: plain, cachedInput, cacheWrite } = pricesFor(price, input)
  if (cachedInput >= plain) return 0
  if (cacheWrite > plain) return usage.cachedInputTokens + usage.cacheWriteTokens
  return input >= leastCached ? input : 0
}

/**
 * The strategy `sticky` of a route: another one, and a conversation that stays where it is as long as that is cheaper.
 *
 * @example
 * const strategy = bySticky({ strategy: { use: 'complexity', simple: ['small'], complex: ['large'] } })
 */
export const bySticky = (options: StickyOptions = {}) => ({ use: 'sticky', ...options }) as const
