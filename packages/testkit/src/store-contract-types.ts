/** What a store counts, as `@signalbox/core` defines it. */
export type Amount = number | bigint

/** One key that a reservation counts against, as `@signalbox/core` defines it. */
export interface Entry {
  key: string
  limit: Amount
  amount: Amount
  windowMs?: number | undefined
  soft?: boolean | undefined
  onExpiry?: 'post' | 'release' | undefined
  forgetAfterMs?: number | undefined
}

/** What reserving answers, as `@signalbox/core` defines it. */
export type ReserveAnswer =
  | { granted: true }
  | {
      granted: false
      index: number
      key: string
      limit: Amount
      remaining: Amount
      resetMs: number | undefined
      retryAfterMs: number | undefined
      never: boolean
    }

/** What settling did, as `@signalbox/core` defines it. */
export type Settlement = 'settled' | 'corrected' | 'repeated' | 'unknown'

/** The store of `@signalbox/core`, whose contract {@link storeContract} tests. */
export interface ContractStore {
  reserve(reservation: { id: string; entries: readonly Entry[]; leaseMs: number }): Later<ReserveAnswer>
  settle(id: string, amounts: readonly Amount[]): Later<Settlement>
  release(id: string): Later<Settlement>
  read(keys: readonly string[]): Later<readonly Reading[]>
  sweep(): Later<readonly { id: string; amounts: readonly Amount[] }[]>
}

/** What counts under a key, as `@signalbox/core` defines it. */
interface Reading {
  posted: Amount
  held: Amount
  remaining: Amount | undefined
  resetMs: number | undefined
}

type Later<T> = T | Promise<T>
