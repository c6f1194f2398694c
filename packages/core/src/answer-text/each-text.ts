import type { Field } from '../dialects/dialect.ts'
import { isRawJson, isRecord } from '../dialects/json.ts'

/** Says whether the strings of a field are text. */
export type IsText = (at: Field) => boolean

/** A text in an answer. */
export interface PlacedText {
  readonly text: string
  /** As that of its {@link Field}. */
  readonly path: string
  /** How a value is written into it. */
  readonly write: (value: string) => string
  /** Puts another text in its place. */
  put(other: string): void
}

/** What is walked through. It was parsed here, and is changed in place. */
export type Json = Record<string, unknown>

/** Text of these is JSON itself. */
const holdJson = /(?:^|[._])(?:arguments|partial_json)\b/

/** Shows every text in an answer or in an event of one, whatever the dialect. */
export function eachText(data: Json, isText: IsText, show: (text: PlacedText) => void): void {
  const write = holdJson.test(String(data['type'])) ? inJson : undefined
  walk(data, { path: '', isAllText: false, isListOfText: false }, { isText, write, show })
}

/** Where a walk has come to. */
interface At {
  readonly path: string
  /** Whether all of it is text: it is inside of what a model gives a tool. */
  readonly isAllText: boolean
  /** Whether it is the value of a field of text, and strings in it, if it is a list, are so too. */
  readonly isListOfText: boolean
}

interface Visit {
  readonly isText: IsText
  readonly write: ((value: string) => string) | undefined
  readonly show: (text: PlacedText) => void
}

function walk(holder: Json | unknown[], at: At, visit: Visit): void {
  for (const [key, value] of Object.entries(holder)) {
    const isString = typeof value === 'string'
    if (!isString && (typeof value !== 'object' || value === null || isRawJson(value))) continue
    const path = `${at.path}.${Array.isArray(holder) ? placeOf(value, key) : key}`
    const isText = at.isAllText || (Array.isArray(holder) ? at.isListOfText : visit.isText({ name: key, holder, path }))
    if (isString) {
      if (!isText) continue
      const write = visit.write ?? (holdJson.test(key) ? inJson : asItIs)
      visit.show({ text: value, path, write, put: (other) => void ((holder as Json)[key] = other) })
    } else if (!isToolInput(key, value)) {
      walk(value as Json, { path, isAllText: at.isAllText, isListOfText: isText }, visit)
    } else if (isText) {
      walk(value, { path, isAllText: true, isListOfText: true }, visit)
    }
  }
}

/** What a model gives a tool, where that is no text: its fields have any name. */
const isToolInput = (field: string, value: unknown): value is Json => field === 'input' && isRecord(value)

const inJson = (value: string) => JSON.stringify(value).slice(1, -1)
const asItIs = (value: string) => value

/** An element of a list by the index that it names itself, as choices and calls of tools do. */
const placeOf = (item: unknown, position: string) => {
  const { index } = Object(item) as { index?: unknown }
  return typeof index === 'number' ? `#${index}` : position
}
