import { bufferOf } from '../buffer.ts'

/** A top-level field of a JSON object, by where it stands in the bytes. */
interface Field {
  readonly key: string
  readonly keyStart: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** Where the top-level fields of a JSON object stand. */
interface Layout {
  readonly fields: readonly Field[]
  /** Where the object's closing brace is. */
  readonly close: number
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const colon = 0x3a

/** Finds the top-level fields of a JSON object. The bytes must be valid JSON whose value is an object. Linear time. */
export function layoutOf(given: Uint8Array): Layout {
  const bytes = bufferOf(given)
  const fields: Field[] = []
  let at = bytes.indexOf(openBrace) + 1
  for (;;) {
    at = skipBlank(bytes, at)
    if (bytes[at] === comma) at = skipBlank(bytes, at + 1)
    if (bytes[at] !== quote) return { fields, close: at }
    const keyStart = at
    const keyEnd = endOfString(bytes, at)
    const valueStart = skipBlank(bytes, skipBlank(bytes, keyEnd) + 1)
    const valueEnd = endOfValue(bytes, valueStart)
    fields.push({ key: keyOf(bytes, keyStart, keyEnd), keyStart, valueStart, valueEnd })
    at = valueEnd
  }
}

/**
 * Writes top-level fields into the bytes of a JSON object: a field that stands there gets the new value wherever it
 * stands, one that does not is added at the end, `undefined` takes it out. All other bytes stay as they are.
 */
export function splice(bytes: Uint8Array, layout: Layout, patch: Readonly<Record<string, unknown>>): Uint8Array {
  const { fields, close } = layout
  const keys = Object.keys(patch)
  const pieces: Uint8Array[] = []
  let copied = 0
  let kept = 0
  const copyTo = (end: number) => {
    if (end > copied) pieces.push(bytes.subarray(copied, end))
    copied = end
  }
  fields.forEach((field, index) => {
    const patched = keys.includes(field.key)
    if (patched && patch[field.key] === undefined) {
      copyTo(fields[index - 1]?.valueEnd ?? field.keyStart)
      copied = field.valueEnd
      return
    }
    // The comma before the first field that is kept goes with the fields before it.
    if (kept++ === 0 && index > 0) copied = field.keyStart
    if (!patched) return
    copyTo(field.valueStart)
    pieces.push(Buffer.from(JSON.stringify(patch[field.key])))
    copied = field.valueEnd
  })
  copyTo(close)
  for (const key of keys) {
    const value = patch[key]
    if (value === undefined || fields.some((field) => field.key === key)) continue
    pieces.push(Buffer.from(`${kept++ === 0 ? '' : ','}${JSON.stringify(key)}:${JSON.stringify(value)}`))
  }
  copyTo(bytes.length)
  return Buffer.concat(pieces)
}

function keyOf(bytes: Buffer, start: number, end: number): string {
  const key = bytes.toString('utf8', start + 1, end - 1)
  return key.includes('\\') ? (JSON.parse(`"${key}"`) as string) : key
}

function skipBlank(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++
  return at
}

/**
 * Where the string that begins at `start` ends. Long strings are crossed by `indexOf`, which is far faster than a loop;
 * but it is slow to begin, so that a loop comes first after each escaped quote.
 */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1
  for (;;) {
    const near = Math.min(bytes.length, at + 64)
    while (at < near) {
      const byte = bytes[at]!
      if (byte === quote) return at + 1
      at += byte === backslash ? 2 : 1
    }
    const found = bytes.indexOf(quote, at)
    if (found < 0) return bytes.length
    let slashes = 0
    while (found - 1 - slashes >= at && bytes[found - 1 - slashes] === backslash) slashes++
    if (slashes % 2 === 0) return found + 1
    at = found + 1
  }
}

function endOfValue(bytes: Uint8Array, start: number): number {
  const first = bytes[start]
  if (first === quote) return endOfString(bytes, start)
  if (first === openBrace || first === openBracket) return endOfNested(bytes, start)
  let at = start
  while (at < bytes.length && !endsScalar(bytes[at]!)) at++
  return at
}

function endOfNested(bytes: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === quote) {
      at = endOfString(bytes, at)
      continue
    }
    at++
    if (byte === openBrace || byte === openBracket) depth++
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at
  }
  return at
}

const endsScalar = (byte: number) =>
  byte === comma ||
  byte === closeBrace ||
  byte === colon ||
  byte === 0x20 ||
  byte === 0x0a ||
  byte === 0x0d ||
  byte === 0x09
