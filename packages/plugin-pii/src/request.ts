import type { Request } from '@signalbox/core'
import type { Vault } from './vault.ts'

/** Fields of a body, in any dialect, that hold what people wrote. */
const conversation = ['messages', 'system', 'input', 'instructions', 'prompt'] as const
/** Fields below those that hold text; all others are names, links and data. */
const texts: ReadonlySet<string> = new Set([...conversation, 'content', 'text', 'arguments', 'output', 'refusal'])

/** The request with placeholders in the place of what the vault takes; the same one where it takes nothing. */
export function redactRequest(request: Request, vault: Vault): Request {
  const patch: Record<string, unknown> = {}
  for (const field of conversation) {
    const given = request.body[field]
    const redacted = mapText(given, field, (text) => vault.redact(text))
    if (redacted !== given) patch[field] = redacted
  }
  return vault.isEmpty ? request : request.with(patch)
}

/** Copies only what changes. */
function mapText(value: unknown, field: string, map: (text: string) => string): unknown {
  if (typeof value === 'string') return texts.has(field) ? map(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => mapText(item, field, map))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const before = Object.entries(value)
  const after = before.map(([key, inner]) => [key, mapText(inner, key, map)] as const)
  return after.some(([, inner], index) => inner !== before[index]![1]) ? Object.fromEntries(after) : value
}
