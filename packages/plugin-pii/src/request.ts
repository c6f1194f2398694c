import type { Request } from '@signalbox/core'
import { isKept, isToolInput } from './fields.ts'
import type { Vault } from './vault.ts'

/**
 * Fields of a body, in any dialect, that hold what people wrote. What changes least comes first: what a turn adds does not
 * move the numbers in front of it, so that a provider finds the same beginning again.
 */
const conversation = ['system', 'instructions', 'messages', 'input', 'prompt', 'prediction'] as const
/** Fields of a body that say who asks. */
const identifiers = ['user', 'safety_identifier', 'prompt_cache_key', 'metadata'] as const
/** The request with pseudonyms in the place of what the vault takes; the same one where it takes nothing. */
export function redactRequest(request: Request, vault: Vault): Request {
  const patch: Record<string, unknown> = {}
  const redact = (text: string) => vault.redact(text)
  const put = (field: string, redacted: unknown) => {
    if (redacted !== request.body[field]) patch[field] = redacted
  }
  for (const field of conversation) put(field, mapText(request.body[field], true, redact))
  for (const field of identifiers) put(field, mapEvery(request.body[field], redact))
  return vault.isEmpty ? request : request.with(patch)
}

/** Copies only what changes. */
function mapText(value: unknown, isText: boolean, map: (text: string) => string): unknown {
  if (typeof value === 'string') return isText ? map(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => mapText(item, isText, map))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const before = Object.entries(value)
  const after = before.map(([key, inner]) => {
    const mapOne = key === 'arguments' ? inJson(map) : map
    const redacted = isToolInput(key, inner) ? mapEvery(inner, map) : mapText(inner, !isKept(key, value), mapOne)
    return [key, redacted] as const
  })
  return after.some(([, inner], index) => inner !== before[index]![1]) ? Object.fromEntries(after) : value
}

/** A text or a number in JSON. A text that does not end goes on to the end of all, so that nothing is looked at twice. */
const textOrNumber = /"(?:[^"\\]|\\[^])*"?|-?\d+(?:\.\d+)?/g

/** A number that is taken out of JSON becomes a text there: a bare pseudonym would be none. */
function inJson(map: (text: string) => string): (json: string) => string {
  const quoted = (token: string) => (token.startsWith('"') || map(token) === token ? token : `"${token}"`)
  return (json) => map(json.replaceAll(textOrNumber, quoted))
}

/** Copies all of it, names of fields included; gives the same one where nothing changes. */
function mapEvery(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'number') return map(`${value}`) === `${value}` ? value : map(`${value}`)
  if (typeof value === 'string') return map(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => mapEvery(item, map))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const before = Object.entries(value)
  const after = before.map(([key, inner]) => [map(key), mapEvery(inner, map)] as const)
  const isSame = after.every(([key, inner], index) => key === before[index]![0] && inner === before[index]![1])
  return isSame ? value : Object.fromEntries(after)
}
