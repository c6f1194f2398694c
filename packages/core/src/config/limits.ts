import type { AdaptiveConcurrencySettings } from '../limiter/adaptive-concurrency.ts'
import type { WhenDown } from '../store/store.ts'

/** How much may go out in any 60 seconds, and at one time. What is left out is not limited. */
export interface LimitSettings {
  readonly requestsPerMinute?: number | undefined
  /** Input and output tokens together. */
  readonly tokensPerMinute?: number | undefined
  /** Calls under way at one time. */
  readonly concurrency?: number | undefined
  /** What is done while a shared store cannot be reached. @default 'share' */
  readonly whenStoreDown?: WhenDown | undefined
  /** The most choices (`n`) one request may ask for. */
  readonly maxChoices?: number | undefined
  /** The largest input of one request, in estimated tokens. */
  readonly maxInputTokens?: number | undefined
  /** The largest output one request may ask for, in tokens. */
  readonly maxOutputTokens?: number | undefined
}

/** Limits that several models share. */
export type TierLimits = Pick<LimitSettings, 'requestsPerMinute' | 'tokensPerMinute' | 'concurrency' | 'whenStoreDown'>

/** The limits of a model: a total for it, and for the tier it shares with others. */
export interface ModelLimits extends TierLimits {
  /** A name under `tiers`, whose limits several models share. */
  readonly tier?: string | undefined
  /**
   * Finds how many calls at one time the model bears, by its latency and by what it turns away, and holds them to it: in
   * each process by itself, under `concurrency` where that is set. `true` for the usual bounds. @default false
   */
  readonly adaptiveConcurrency?: AdaptiveConcurrencySettings | boolean | undefined
}

/** A limit for every caller of a kind. */
export interface LimitRule extends LimitSettings {
  readonly per: 'all' | 'key' | 'user' | 'team' | 'tag'
}
