import { hash } from 'node:crypto'
import { SignalboxError } from '../errors.ts'

/**
 * A key of 256 bits for anything that JSON can say. Two values have one key if and only if they say the same: the order of
 * an object's fields does not count.
 *
 * @throws SignalboxError `invalid_body` for what is nested deeper than it can be written
 */
export function keyOf(value: unknown): string {
  return hash('sha256', textOf(value), 'base64url')
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value, sorted)
  } catch (cause) {
    throw new SignalboxError('invalid_body', 'The request body is nested too deep to be compared with others', {
      cause,
    })
  }
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = value as Readonly<Record<string, unknown>>
  // Without a prototype, so that a field named __proto__ is a field like any other.
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(fields).toSorted()) copy[name] = fields[name]
  return copy
}
