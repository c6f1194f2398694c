import type { CallerBudget, Identity } from '../types.ts'

/** Who a key stands for, and what it may do. */
export interface KeyScope extends Pick<
  Identity,
  'user' | 'team' | 'tier' | 'tags' | 'routes' | 'models' | 'maxCostUsd' | 'latencySensitive'
> {
  /** Stands for the key in reports, budgets and limits. */
  readonly name: string
  /** What all its calls together may cost. */
  readonly budgets?: readonly CallerBudget[]
  /** ISO 8601; the key is refused from then on. @default never */
  readonly expiresAt?: string
}

/** A key as a configuration writes it: itself, or its SHA-256 in hexadecimal. */
export type KeySettings = KeyScope & ({ readonly key: string } | { readonly sha256: string })

/** A key as a file of keys has it. The key itself stands nowhere. */
export interface StoredKey extends KeyScope {
  readonly id: string
  readonly sha256: string
  /** ISO 8601. */
  readonly createdAt: string
}

/** Where keys come from: written out, or in a file that `signalbox keys` keeps and that is read again when it changes. */
export type KeySource = KeySettings | { readonly file: string }
