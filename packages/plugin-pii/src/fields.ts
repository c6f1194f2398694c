/**
 * Whether the text of a field goes as it came, in both directions: links, names of things, data, and what a provider signed.
 * Nothing may be put back where it would not be taken out in the next turn.
 */
export function isKept(field: string, holder: object): boolean {
  if (field === 'data') return !('type' in holder && holder.type === 'text')
  return kept.test(field)
}

const kept = /^(?:id|type|role|url|uri|source|thinking|signature|b64_json)$|_(?:id|url|uri|data|signature)$|^encrypted_/

/** What a model gives a tool, which is no text in Anthropic's words, and whose fields have any name: all of it is text. */
export const isToolInput = (field: string, value: unknown): value is object =>
  field === 'input' && typeof value === 'object' && value !== null && !Array.isArray(value)
