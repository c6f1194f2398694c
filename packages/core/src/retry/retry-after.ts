/** What a provider's answer says of when to come back. */
export interface RetryAfter {
  /** Milliseconds to wait, finite and not negative; absent when nothing usable was said or the date has passed. */
  readonly delayMs?: number
  /** The header that made no sense and was passed over, as it came and cut to a decent length: for a warning. */
  readonly ignored?: string
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Reads `retry-after-ms` and, where that is absent or nonsense, `retry-after` in seconds (whole or not) or as an HTTP
 * date in any of the three forms of RFC 9110, 5.6.7. Words, negative numbers, exponents, an empty value, a repeated
 * header and more than a day are nonsense; a date that has passed is not, it asks for nothing.
 *
 * @param headers names in lower case
 * @param wallTimeMs the time now, for dates
 * @example
 * parseRetryAfterMs({ 'retry-after': '1.5' }, clock.wallTime()) // { delayMs: 1500 }
 * parseRetryAfterMs({ 'retry-after': 'soon' }, clock.wallTime()) // { ignored: 'retry-after: "soon"' }
 */
export function parseRetryAfterMs(headers: Headers, wallTimeMs: number): RetryAfter {
  const exact = read(headers, 'retry-after-ms', (value) => numberOf(value))
  if (exact.delayMs !== undefined) return exact
  const coarse = read(headers, 'retry-after', (value) => secondsOf(value) ?? untilDate(value, wallTimeMs))
  return exact.ignored === undefined ? coarse : { ...coarse, ignored: exact.ignored }
}

const past = -1

/** Who asks for longer means something else, such as the time itself in seconds: it would end a model for good. */
const longestMs = 86_400_000

function read(headers: Headers, name: string, parse: (value: string) => number | undefined): RetryAfter {
  const value = headers[name]
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return {}
  const delayMs = parseOne(value, parse)
  if (delayMs === past) return {}
  return delayMs === undefined || delayMs > longestMs ? { ignored: `${name}: ${quote(value)}` } : { delayMs }
}

function parseOne(value: string | readonly string[], parse: (value: string) => number | undefined) {
  const only = typeof value === 'string' ? value : value.length === 1 ? value[0] : undefined
  return only === undefined ? undefined : parse(only.trim())
}

const quote = (value: unknown) => JSON.stringify(value).slice(0, 80)

function numberOf(text: string, unitMs = 1): number | undefined {
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * unitMs : NaN
  return Number.isFinite(value) ? value : undefined
}

const secondsOf = (text: string) => numberOf(text, 1_000)

const imfFixdate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const rfc850 = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/
const asctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

function untilDate(text: string, wallTimeMs: number): number | undefined {
  const dateMs = dateOf(text)
  if (Number.isNaN(dateMs)) return undefined
  return dateMs > wallTimeMs ? dateMs - wallTimeMs : past
}

function dateOf(text: string): number {
  if (imfFixdate.test(text) || rfc850.test(text)) return Date.parse(text)
  return asctime.test(text) ? Date.parse(`${text} GMT`) : NaN
}
