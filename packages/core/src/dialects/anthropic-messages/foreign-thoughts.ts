import { isRecord, isText } from '../json.ts'
import { isForeign } from '../proof.ts'

/** The messages without thoughts that another provider proved: Anthropic refuses them. Undefined where there are none. */
export function withoutForeignThoughts(messages: unknown): unknown[] | undefined {
  if (!Array.isArray(messages) || !messages.some((message) => contentOf(message)?.some(isForeignThought)))
    return undefined
  return messages.flatMap((message) => {
    const content = contentOf(message)
    const own = content?.filter((block) => !isForeignThought(block))
    if (!content || own!.length === content.length) return [message]
    return own!.length === 0 ? [] : [{ ...(message as object), content: own }]
  })
}

const contentOf = (message: unknown): unknown[] | undefined =>
  isRecord(message) && message['role'] === 'assistant' && Array.isArray(message['content'])
    ? message['content']
    : undefined

const isForeignThought = (block: unknown) =>
  isRecord(block) &&
  [block['signature'], block['data']].some((proof) => isText(proof) && isForeign(proof)) &&
  (block['type'] === 'thinking' || block['type'] === 'redacted_thinking')
