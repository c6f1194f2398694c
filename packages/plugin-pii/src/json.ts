import { isKept, isToolInput } from './fields.ts'

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

/** Shows every text in an answer, in any dialect, besides what goes as it came. */
export function eachText(data: Json, show: (text: PlacedText) => void): void {
  const isArguments = holdJson.test(String(data['type']))
  walk(data, { path: '', isInput: false, isText: true }, (text) =>
    show(isArguments ? { ...text, write: inJson } : text),
  )
}

/** Where a walk has come to. */
interface At {
  readonly path: string
  /** Whether it is inside of what a model gives a tool. */
  readonly isInput: boolean
  /** Whether elements of a list here are text. */
  readonly isText: boolean
}

function walk(holder: Json | unknown[], at: At, show: (text: PlacedText) => void): void {
  for (const [key, value] of Object.entries(holder)) {
    const path = `${at.path}.${Array.isArray(holder) ? placeOf(value, key) : key}`
    const isInput = at.isInput || isToolInput(key, value)
    const isText = Array.isArray(holder) ? at.isText : isInput || !isKept(key, holder)
    if (typeof value === 'object' && value !== null) walk(value as Json, { path, isInput, isText }, show)
    if (typeof value !== 'string' || !isText) continue
    const put = (other: string) => void ((holder as Json)[key] = other)
    show({ text: value, path, write: holdJson.test(key) ? inJson : asItIs, put })
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
