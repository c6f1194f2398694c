import { SignalboxError } from './errors.ts'
import type { Identity } from './types.ts'

/** What a caller is known and counted by. */
const names = ['key', 'user', 'team', 'tier'] as const

/**
 * An identity as it is counted and written down. What hosts hand over is often the number of a row: it stands for its
 * digits, and null for nobody.
 *
 * @throws SignalboxError `internal_error` for a name that is no text: callers that it does not tell apart would share
 * their budgets
 */
export function readIdentity(identity: Identity): Identity {
  const { tags } = identity
  if (names.every((name) => isName(identity[name])) && (tags === undefined || isNames(tags))) return identity
  const read: Record<string, unknown> = { ...identity }
  for (const name of names) read[name] = readName(identity[name], name)
  read['tags'] = (tags as unknown) === null ? undefined : tags && readTags(tags)
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))
}

const isName = (value: unknown) => value === undefined || typeof value === 'string'
const isNames = (tags: unknown) => Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')

function readName(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  throw unreadable(field, 'text', value)
}

function readTags(tags: unknown): readonly string[] {
  if (!Array.isArray(tags)) throw unreadable('tags', 'a list of texts', tags)
  return tags.flatMap((tag) => readName(tag, 'tags') ?? [])
}

function unreadable(field: string, expected: string, value: unknown): SignalboxError {
  const cause = new TypeError(
    `identity.${field}: expected ${expected}, got ${Array.isArray(value) ? 'a list' : typeof value}`,
  )
  return new SignalboxError('internal_error', 'The caller could not be identified', { cause })
}
