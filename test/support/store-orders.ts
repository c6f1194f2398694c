import type { Entry } from '../../packages/core/src/store/store.ts'

/** What a process over a shared store is told to do; it answers each with one message. */
export type StoreOrder =
  | { do: 'reserve'; entries: readonly Entry[]; times: number }
  | { do: 'spend'; entries: readonly Entry[]; durationMs: number }
  | { do: 'storm'; limits: StormLimits; callers: number; seed: number; log: string }
  | { do: 'sample'; keys: readonly string[] }
  | { do: 'close' }

/** What the calls of a storm are limited by. */
export interface StormLimits {
  money: number
  requests: number
  concurrency: number
}

/** What was granted in a storm: when it was asked for and granted, in milliseconds of the host, and what it really cost. */
export interface StormCall {
  askedAt: number
  grantedAt: number
  cost: number
}

/** What a process spent, over and over. */
export interface Spent {
  times: number
  cpuMs: number
  durationMs: number
}

/** What a sampler saw: how often it looked, and the most that ever counted under each key. */
export interface Sampled {
  looked: number
  most: number[]
}

/** The window of a storm's requests. */
export const stormWindowMs = 1_000
