import { bufferOf } from '../buffer.ts'
import { isRecord } from '../is-record.ts'

/** A value as it is read from JSON, by what it is hoped to be. */

export { isRecord }

/** It as an object; an empty one where it is none. */
export const record = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {})

/** It as a list; an empty one where it is none. */
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Whether it is a text that is not empty. */
export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** It as a text; an empty one where it is none. */
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** `JSON.rawJSON` and the reviver's third argument, which TypeScript's library does not have yet. */
const exact = JSON as unknown as {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): value is { readonly rawJSON: string }
  parse(json: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
}

/** Whether it is a number that was kept as it was written. */
export const isRawJson = (value: unknown) => exact.isRawJSON(value)

/** It as a number; undefined where it is none. */
export function number(value: unknown): number | undefined {
  const read = exact.isRawJSON(value) ? Number(value.rawJSON) : value
  return typeof read === 'number' && Number.isFinite(read) ? read : undefined
}

/**
 * It as a count, as the most lenient of servers reads it: in a string too, with `_` between its digits as Python has them,
 * and what is beyond all numbers as the largest.
 */
export function count(value: unknown): number | undefined {
  const given = typeof value === 'string' && value.trim() !== '' ? Number(value.replaceAll('_', '')) : value
  if (typeof given !== 'number' || Number.isNaN(given)) return undefined
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(given, Number.MAX_SAFE_INTEGER))
}

/** Whether a field says anything. */
export const hasValue = (value: unknown) => value !== undefined && value !== null

/** The JSON of a text; undefined where it is none. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return undefined
  }
}

/**
 * JSON that came as bytes, with letters and digits as themselves where they are written as escapes. V8 13 may take a name
 * with escapes for one that it read in its place before, such as `\` for `\u006e`: so a caller could hide a field that the
 * provider finds.
 */
export function jsonIn(bytes: Uint8Array): string {
  const json = bufferOf(bytes).toString()
  return escapedLetter.test(json)
    ? json.replace(anyEscape, (escape) => (escapedLetter.test(escape) ? (JSON.parse(`"${escape}"`) as string) : escape))
    : json
}

const escapedLetter = /\\u00(?:3\d|4[1-9A-Fa-f]|5[\dAaFf]|6[1-9A-Fa-f]|7[\dAa])/
const anyEscape = /\\(?:u[\dA-Fa-f]{4}|.)/g

/** Whether a JSON text has a number in it that a double may not hold. */
export const hasLongNumber = (json: string) => /(?:\d\.?){16}/.test(json)

/**
 * The JSON of a text, in which a number too long for a double is kept as it was written: `JSON.stringify` writes the same
 * digits again. Undefined where the text is no JSON.
 */
export function parseExactly(json: string): unknown {
  if (!hasLongNumber(json)) return parseJson(json)
  try {
    return exact.parse(json, (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && source !== String(value) && hasLongNumber(source)
        ? exact.rawJSON(source)
        : value,
    )
  } catch {
    return undefined
  }
}
