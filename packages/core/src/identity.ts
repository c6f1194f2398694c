import { SignalboxError } from './errors.ts'
import type { Identity } from './types.ts'

/** What a caller is known and counted by. */
const names = ['key', 'user', 'team', 'tier'] as const
/** What it is counted by too, and what it may use. */
const lists = ['tags', 'routes', 'models'] as const

/**
 * An identity as it is counted and written down. What hosts hand over is often the number of a row: it stands for its
 * digits, and null for nothing.
 *
 * @throws SignalboxError `internal_error` for what is no identity, and for a field that is not what it should be: callers
 * that it does not tell apart would share their budgets, and a text in place of a list would allow each part of it
 */
export function readIdentity(identity: Identity): Identity {
  if (typeof identity !== 'object' || Array.isArray(identity)) throw unreadable('', 'an object', identity)
  const { maxCostUsd } = identity
  const isRead =
    names.every((name) => isName(identity[name])) &&
    lists.every((name) => isNames(identity[name])) &&
    (maxCostUsd === undefined || typeof maxCostUsd === 'number')
  if (isRead) return identity
  const read: Record<string, unknown> = { ...identity }
  for (const name of names) read[name] = readName(identity[name], `.${name}`)
  for (const name of lists) read[name] = readNames(identity[name], `.${name}`)
  read['maxCostUsd'] = readNumber(maxCostUsd)
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))
}

const isName = (value: unknown) => value === undefined || typeof value === 'string'
const isNames = (value: unknown) =>
  value === undefined || (Array.isArray(value) && value.every((name) => typeof name === 'string'))

function readName(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  throw unreadable(field, 'text', value)
}

function readNames(value: unknown, field: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw unreadable(field, 'a list of texts', value)
  return value.flatMap((name) => readName(name, field) ?? [])
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
