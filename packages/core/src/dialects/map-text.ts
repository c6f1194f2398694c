type JsonObject = Readonly<Record<string, unknown>>

/** Changes a text. */
export type TextMap = (text: string) => string

/** Where text stands in a message and in all that it holds, or what holds some. */
const textFields: readonly string[] = ['text', 'refusal', 'title', 'context', 'content', 'output', 'stdout', 'stderr']

/** Content of a message, or the whole of it, with every text in it changed: also those inside the results of tools. */
export function mapContent(content: unknown, map: TextMap): unknown {
  if (typeof content === 'string') return map(content)
  if (Array.isArray(content)) return content.map((part) => (typeof part === 'string' ? part : mapContent(part, map)))
  return typeof content === 'object' && content !== null ? mapPart(content as JsonObject, map) : content
}

/** All text in what {@link mapContent} takes. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  const texts: string[] = []
  mapContent(content, (text) => {
    if (text !== '') texts.push(text)
    return text
  })
  return texts.join('\n')
}

function mapPart(part: JsonObject, map: TextMap): object {
  const changed: Record<string, unknown> = { ...part }
  for (const field of textFields) if (field in part) changed[field] = mapContent(part[field], map)
  const { source } = part
  if (typeof source === 'object' && source !== null) changed['source'] = mapSource(source as JsonObject, map)
  return changed
}

/** A document of Anthropic's may be text, or content as that of a message. */
function mapSource(source: JsonObject, map: TextMap): JsonObject {
  if (source['type'] === 'text' && typeof source['data'] === 'string') return { ...source, data: map(source['data']) }
  return source['type'] === 'content' ? { ...source, content: mapContent(source['content'], map) } : source
}
