import { SignalboxError } from './errors.ts'
import type { CallerBudget, Identity } from './types.ts'

/** What a caller is known and counted by. */
const names = ['key', 'user', 'team', 'tier'] as const
/** What it is counted by too, and what it may use. */
const lists = ['tags', 'routes', 'models'] as const

/**
 * An identity as it is counted and written down: a copy that nobody changes, be it a plugin or the host itself. What hosts
 * hand over is often the number of a row: it stands for its digits, and null for nothing.
 *
 * @throws SignalboxError `internal_error` for what is no identity, and for a field that is not what it should be: callers
 * that it does not tell apart would share their budgets, and a text in place of a list would allow each part of it
 */
export function readIdentity(identity: Identity): Identity {
  if (identity === nobody) return nobody
  if (typeof identity !== 'object' || Array.isArray(identity)) throw unreadable('', 'an object', identity)
  const read: Record<string, unknown> = { ...identity }
  const put = (name: keyof Identity, value: unknown) => {
    if (value !== undefined) read[name] = value
    else if (name in read) delete read[name]
  }
  for (const name of names) put(name, readName(identity[name], `.${name}`))
  for (const name of lists) put(name, readNames(identity[name], `.${name}`))
  put('maxCostUsd', readNumber(identity.maxCostUsd))
  put('budgets', readBudgets(identity.budgets))
  return Object.freeze(read)
}

/** Nobody in particular. */
export const nobody: Identity = Object.freeze({})

/** One copy of each, by which what is made of it can be found again. */
const copies = new WeakMap<readonly CallerBudget[], readonly CallerBudget[]>()

function readBudgets(budgets: readonly CallerBudget[] | null | undefined): readonly CallerBudget[] | undefined {
  if (budgets === undefined || budgets === null) return undefined
  if (!Array.isArray(budgets)) throw unreadable('.budgets', 'a list', budgets)
  let copy = copies.get(budgets)
  if (!copy) copies.set(budgets, (copy = Object.freeze(budgets.map((budget) => Object.freeze({ ...budget })))))
  return copy
}

function readName(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined
  // What was cut in the middle of a character no file can keep: it would be another name there than in memory.
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  throw unreadable(field, 'text', value)
}

function readNames(value: unknown, field: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw unreadable(field, 'a list of texts', value)
  return Object.freeze(value.map((name) => readName(name, field)).filter((name) => name !== undefined))
}

function readNumber(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number') return value
  throw unreadable('.maxCostUsd', 'a number of US dollars', value)
}

function unreadable(field: string, expected: string, value: unknown): SignalboxError {
  const cause = new TypeError(
    `identity${field}: expected ${expected}, got ${Array.isArray(value) ? 'a list' : typeof value}`,
  )
  return new SignalboxError('internal_error', 'The caller could not be identified', { cause })
}
