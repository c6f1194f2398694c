type JsonObject = Readonly<Record<string, unknown>>

/** Changes a text. */
export type TextMap = (text: string) => string

/** Where text stands in a message and in all that it holds, or what holds some. */
const textFields: readonly string[] = ['text', 'refusal', 'title', 'context', 'content', 'output', 'stdout', 'stderr']

/** Content of a message, or the whole of it, with every text in it changed: also those inside the results of tools. */
export function mapContent(content: unknown, map: TextMap): unknown {
  if (typeof content === 'string') return map(content)
  if (Array.isArray(content)) return mapParts(content, map)
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

/** What nothing is changed in stays the same one: nobody who only reads makes copies. */
function mapParts(parts: readonly unknown[], map: TextMap): readonly unknown[] {
  const changed = parts.map((part) => (typeof part === 'string' ? part : mapContent(part, map)))
  return changed.every((part, place) => part === parts[place]) ? parts : changed
}

function mapPart(part: JsonObject, map: TextMap): object {
  let changed: Record<string, unknown> | undefined
  for (const field of textFields) {
    if (!(field in part)) continue
    const mapped = mapContent(part[field], map)
    if (mapped !== part[field]) (changed ??= { ...part })[field] = mapped
  }
  const { source } = part
  if (typeof source === 'object' && source !== null) {
    const mapped = mapSource(source as JsonObject, map)
    if (mapped !== source) (changed ??= { ...part })['source'] = mapped
  }
  return changed ?? part
}

/** A document of Anthropic's may be text, or content as that of a message. */
function mapSource(source: JsonObject, map: TextMap): JsonObject {
  const field = source['type'] === 'text' ? 'data' : source['type'] === 'content' ? 'content' : undefined
  if (field === undefined) return source
  const mapped = mapContent(source[field], map)
  return mapped === source[field] ? source : { ...source, [field]: mapped }
}
