import type { CachedAnswer } from './answer.ts'

/** How much a layer of a cache holds. */
export interface LayerSize {
  readonly entries: number
  readonly bytes: number
  readonly maximumBytes: number
}

/** How long a layer may take, in milliseconds: no call waits longer for it. */
export const layerMs = 1_000

/**
 * A place where answers are kept by key. It may lose any of them at any time, and must never give one that is not what was
 * set under that key. What it throws is a miss, and so is what it has not given after a second.
 */
export interface AnswerLayer {
  readonly name: string
  get(key: string): CachedAnswer | undefined | Promise<CachedAnswer | undefined>
  set(key: string, answer: CachedAnswer): void | Promise<void>
  size?(): LayerSize
  close?(): void | Promise<void>
}
