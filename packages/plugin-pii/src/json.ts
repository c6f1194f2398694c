/** What a body or an event is made of. It was parsed here, and is changed in place. */
export type Json = Record<string, unknown>

/** A text in an answer. */
export interface PlacedText {
  readonly text: string
  /** Where it stands, with the elements of a list by the index that they name themselves: `.choices.#0.delta.content`. */
  readonly path: string
  /** How a value is written into it. */
  readonly write: (value: string) => string
  /** Puts another text in its place. */
  put(other: string): void
}

/** Text of these is JSON itself. */
const holdJson = /(?:^|[._])(?:arguments|partial_json)\b/
/** Providers sign these, and want them back as they wrote them. */
const signed: ReadonlySet<string> = new Set(['thinking', 'signature'])

/** Shows every text in an answer, in any dialect, besides what must go back to the provider untouched. */
export function eachText(data: Json, show: (text: PlacedText) => void): void {
  const isArguments = holdJson.test(String(data['type']))
  walk(data, '', (text) => show(isArguments ? { ...text, write: inJson } : text))
}

function walk(holder: Json | unknown[], path: string, show: (text: PlacedText) => void): void {
  for (const [key, value] of Object.entries(holder)) {
    if (signed.has(key)) continue
    const inner = `${path}.${Array.isArray(holder) ? placeOf(value, key) : key}`
    if (typeof value === 'object' && value !== null) walk(value as Json, inner, show)
    if (typeof value !== 'string') continue
    const put = (other: string) => void ((holder as Json)[key] = other)
    show({ text: value, path: inner, write: holdJson.test(key) ? inJson : asItIs, put })
  }
}

const inJson = (value: string) => JSON.stringify(value).slice(1, -1)
const asItIs = (value: string) => value

/** An element of a list by the index that it names itself, as choices and calls of tools do. */
const placeOf = (item: unknown, position: string) => {
  const { index } = Object(item) as { index?: unknown }
  return typeof index === 'number' ? `#${index}` : position
}

/** The object that a text is; undefined for anything else. */
export function parse(json: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Json) : undefined
  } catch {
    return undefined
  }
}
