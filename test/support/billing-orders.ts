/** What a call asks of the upstream that bills, in its `metadata`, which a router passes through. */
export interface BillingPlan {
  readonly call: string
  /**
   * `answer` in full, with usage. `cut` the connection after the words. `wait` after the words until the caller has
   * left. Be `silent` until then. Break the connection at once (`reset`), or
   * refuse with an `error`: these cost nothing.
   */
  readonly act: 'answer' | 'cut' | 'wait' | 'silent' | 'reset' | 'error'
  /** So much is written, as far as `max_tokens` lets it; a word is a token. */
  readonly words: number
  readonly delayMs: number
}

/** USD per million tokens. */
export interface BillingPrice {
  readonly input: number
  readonly output: number
}

/** 100 and 1,000 nano-USD for a token. */
export const billingPrice: BillingPrice = { input: 0.1, output: 1 }

/** What a process over a router is told to do; it answers each with one message. */
export type RouterOrder =
  /** Calls until the budget has refused each caller 40 times on end. */
  | { do: 'storm'; callers: number; seed: number; mixed: boolean }
  /** Calls that cost one and the same, until each caller is refused or has made so many: how many were answered. */
  | { do: 'spend'; callers: number; tokens: number; callsEach?: number }
  | { do: 'close' }

/** What a process makes its router of. */
export interface RouterProcessOptions {
  readonly baseUrl: string
  readonly store: string
  readonly ledger: string
  readonly limitUsd: number
  readonly price: BillingPrice
  /** Where each acknowledged call is written down, a line each. */
  readonly acknowledged: string
}

/** The budgets of such a router: in a window that rolls, and in a calendar's. */
export const stormBudgets = (limitUsd: number) =>
  [
    { per: 'all', limitUsd, window: { rollingMs: 86_400_000 } },
    { per: 'user', limitUsd, window: 'month' },
  ] as const
