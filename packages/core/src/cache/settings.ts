import type { AnswerLayer } from './layer.ts'

/** What is cached, and for how long. */
export interface CacheSettings {
  /** How long an answer is new, in milliseconds. @default 60_000 */
  readonly ttlMs: number
  /** How much longer it is given while a new one is made, in milliseconds. @default 0 */
  readonly staleWhileRevalidateMs: number
  /** Whether only calls are cached that ask for the same answer each time: temperature 0, or a seed. @default true */
  readonly deterministicOnly: boolean
}

/** Who shares answers: callers with the same identity in all its parts, or in this one. */
export type CacheScope = 'identity' | 'key' | 'user' | 'team' | 'all'

/** The cache of a router. */
export interface CacheOptions extends Partial<CacheSettings> {
  /** Who shares answers. A caller without the part that counts shares with its like alone. @default 'identity' */
  readonly per?: CacheScope
  /** What the answers kept in this process may take, in bytes. One may take an eighth of it. @default 67108864 (64 MiB) */
  readonly maximumBytes?: number
  /** A SQLite file that the processes of this host share. @default none */
  readonly file?: string
  /** What the file may take, in bytes. @default 1073741824 (1 GiB) */
  readonly maximumFileBytes?: number
  /** Further layers, asked in this order after those above. In code only. */
  readonly layers?: readonly AnswerLayer[]
}

/** What holds unless the configuration says otherwise. */
export const cacheDefaults = {
  ttlMs: 60_000,
  staleWhileRevalidateMs: 0,
  deterministicOnly: true,
  per: 'identity',
  maximumBytes: 64 * 1024 * 1024,
  maximumFileBytes: 1024 * 1024 * 1024,
} as const satisfies CacheOptions
