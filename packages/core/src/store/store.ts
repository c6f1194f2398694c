import type { Amount } from './amount.ts'

/** What a store in memory answers at once and one over a network answers later. */
export type MaybePromise<T> = T | Promise<T>

/**
 * What is done while a shared store cannot be reached: `open` lets calls through, `closed` refuses them, `share` lets
 * each process go on by itself with an equal part of the limit.
 */
export type WhenDown = 'open' | 'closed' | 'share'

/** One key that a reservation counts against. */
export interface Entry {
  /** What is counted, e.g. `model:gpt-4.1:requests`. A calendar window's name belongs in it. One key, one window. */
  key: string
  /** The most that may be posted and held under the key at any instant. */
  limit: Amount
  /** The upper bound of what will be used; held until it is settled. */
  amount: Amount
  /**
   * The length of the sliding window, in milliseconds. What was reserved at `t` counts at `now` while
   * `now < t + windowMs`, held or settled.
   * @default undefined: the counter never slides; only settling for less and releasing take from it
   */
  windowMs?: number | undefined
  /** Counted like any other, but never refuses. @default false */
  soft?: boolean | undefined
  /**
   * What becomes of the hold when its lease ends before it is settled: it is posted at its full amount, or given back.
   * @default 'post'
   */
  onExpiry?: 'post' | 'release' | undefined
  /**
   * For a counter that never slides: it may be forgotten, total and all, once it has not been used for so long. A
   * calendar budget gives the length of its period. @default undefined: kept while anything is posted
   */
  forgetAfterMs?: number | undefined
  /** For whoever stands between a store that can fail and its users. No store looks at it. @default 'closed' */
  whenDown?: WhenDown | undefined
}

/** Holds over several keys that are taken together or not at all. */
export interface Reservation {
  /** Names the holds from now on; unique in the store. */
  id: string
  /** No key twice. */
  entries: readonly Entry[]
  /** The holds expire so many milliseconds after the reservation unless they are settled first. */
  leaseMs: number
}

export interface Reserved {
  granted: true
}

/** Nothing was taken. */
export interface Refused {
  granted: false
  /** The first entry, in the order given, that had no room: its place and its key. */
  index: number
  key: string
  limit: Amount
  /** What that entry still had; never below 0. */
  remaining: Amount
  /** Milliseconds until nothing counts in that entry's window any more; undefined for one that never slides. */
  resetMs: number | undefined
  /**
   * Milliseconds until the whole reservation would fit if nothing else came. Undefined when only settling or releasing
   * something can make room.
   */
  retryAfterMs: number | undefined
  /** Some hard entry asks for more than its limit: it will never fit. */
  never: boolean
}

/**
 * What settling did: `settled` posted the amounts; `corrected` did so for a hold whose lease had ended; `repeated` means
 * the same amounts were already posted; `unknown` means the store has no such hold, or has forgotten it, and did nothing.
 */
export type Settlement = 'settled' | 'corrected' | 'repeated' | 'unknown'

/** What counts under a key now. An excess over the limit is debt: `remaining` is then negative. */
export interface Reading {
  posted: Amount
  held: Amount
  /** Under the limit last given for the key; undefined when the store knows nothing of the key. */
  remaining: Amount | undefined
  /** As in {@link Refused}. */
  resetMs: number | undefined
}

/** A hold whose lease ended before it was settled: what was posted for it, in the order of its entries; an estimate. */
export interface Expired {
  id: string
  amounts: readonly Amount[]
}

/**
 * Counts against limits, for whoever shares it. One verb takes holds over every dimension and scope at once, so that
 * requests, tokens, concurrency and money are all or nothing; at every instant, for every hard entry, posted + held is
 * at most the limit, but for what was settled above its hold. Every verb is atomic, and answers at once or by promise.
 *
 * The time that counts is the store's own, and a settled amount keeps the time of its reservation.
 *
 * @example
 * const entries = [{ key: 'model:a:tokens', limit: 1_000_000, amount: 1_200, windowMs: 60_000 }]
 * const answer = await store.reserve({ id: 'call-1/1', entries, leaseMs: 200_000 })
 * if (answer.granted) await store.settle('call-1/1', [873])
 */
export interface Store {
  /** Who shares the counts: this process, the processes of a host, or many hosts. */
  readonly scope: 'process' | 'host' | 'cluster'
  /** How many processes share the counts, as far as this one knows; at least 1. */
  sharers(): number
  /** Takes every hold or none. Throws on amounts and ids that make no sense, an id already in use among them. */
  reserve(reservation: Reservation): MaybePromise<Reserved | Refused>
  /**
   * Posts what was really used, one amount for each entry in the order reserved; more than was held is debt. Doing it
   * again with the same amounts changes nothing; with other amounts it throws. Settling after the lease ended corrects
   * what was posted then.
   */
  settle(id: string, amounts: readonly Amount[]): MaybePromise<Settlement>
  /** Settles at 0 everywhere: nothing was used. */
  release(id: string): MaybePromise<Settlement>
  /** What counts under each key now, in the order asked. */
  read(keys: readonly string[]): MaybePromise<readonly Reading[]>
  /** Ends the leases that are due, forgets what is idle, and tells of the holds that expired; each is told of once. */
  sweep(): MaybePromise<readonly Expired[]>
}
