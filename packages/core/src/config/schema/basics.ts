import { z } from 'zod'

const headerSafe = /^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$/
export const name = z.string().regex(headerSafe, 'expected 1 to 200 printable ASCII characters')
/** What a header can carry as a key. */
export const apiKey = z.string().regex(/^[\x21-\x7e]+$/, 'expected printable ASCII characters without spaces')
export const baseUrl = z.url({ protocol: /^https?$/, error: 'expected a URL such as "https://api.example.com/v1"' })
export const milliseconds = z.number().positive()
export const count = z.int().positive()
/** Weights are summed up: much larger ones would be lost in rounding, or beyond all numbers. */
export const weight = z.number().nonnegative().max(1e9).optional()

/** A day of the calendar, which begins in UTC, or an instant with its zone. */
export const instant = z.union([
  z.iso.date(),
  z.iso.datetime({ offset: true }),
  z.iso.datetime({ offset: true, precision: -1 }),
])

/** A time zone that this machine knows. */
export const timeZone = z.string().refine(isTimeZone, 'expected a time zone such as "Europe/Berlin"')

function isTimeZone(value: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: value }))
  } catch {
    return false
  }
}

/** Whether a text is a regular expression, in the unicode mode and so without doubtful escapes. */
export function isExpression(value: string): boolean {
  try {
    return Boolean(new RegExp(value, 'gu'))
  } catch {
    return false
  }
}
