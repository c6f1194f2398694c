import { isRecord } from './json.ts'

/** Changes a text. */
export type TextMap = (text: string) => string

/** Content of a message with every text in it changed: also those inside the results of tools. */
export function mapContent(content: unknown, map: TextMap): unknown {
  if (typeof content === 'string') return map(content)
  if (!Array.isArray(content)) return content
  return content.map((part: unknown) => {
    if (!isRecord(part)) return part
    if (typeof part['text'] === 'string') return { ...part, text: map(part['text']) }
    if (isRecord(part['source'])) return { ...part, source: mapSource(part['source'], map) }
    return 'content' in part ? { ...part, content: mapContent(part['content'], map) } : part
  })
}

/** A document of Anthropic's may be text, or content as that of a message. */
function mapSource(source: Readonly<Record<string, unknown>>, map: TextMap): unknown {
  if (source['type'] === 'text' && typeof source['data'] === 'string') return { ...source, data: map(source['data']) }
  return source['type'] === 'content' ? { ...source, content: mapContent(source['content'], map) } : source
}

/** An object with the texts under some of its keys changed; a value that is no object stays. */
export function mapFields(value: unknown, fields: readonly string[], map: TextMap): unknown {
  if (!isRecord(value)) return value
  const changed = fields.filter((field) => field in value).map((field) => [field, mapContent(value[field], map)])
  return { ...value, ...Object.fromEntries(changed) }
}
