/** What a process over a router with a cache in a file is told. */
export type CacheOrder =
  /** Asks with each seed, all at once: a {@link CacheAnswer} for each. */
  | { readonly do: 'ask'; readonly seeds: readonly number[] }
  /** Asks with ever new seeds until it is killed. */
  | { readonly do: 'flood'; readonly from: number }
  /** What it was warned of. */
  | { readonly do: 'warnings' }
  /** Writes what it has not yet written, and lets go of the file. */
  | { readonly do: 'close' }

/** What such a process was answered. */
export interface CacheAnswer {
  readonly outcome: string
  /** Where it was found; null where it was nowhere. */
  readonly layer: string | null
  readonly content: string
}
