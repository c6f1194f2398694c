import { hash } from 'node:crypto'

/**
 * A key of 256 bits for anything that JSON can say. Two values have one key if and only if they say the same: the order of
 * an object's fields does not count.
 */
export function keyOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value, sorted), 'base64url')
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = value as Readonly<Record<string, unknown>>
  // Without a prototype, so that a field named __proto__ is a field like any other.
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(fields).toSorted()) copy[name] = fields[name]
  return copy
}
