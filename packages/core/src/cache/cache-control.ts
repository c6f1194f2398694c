/** What a caller wants of a cache. */
export interface CacheWishes {
  /** Wants a new answer. */
  readonly noCache: boolean
  /** Wants nothing kept. */
  readonly noStore: boolean
  /** The oldest answer that will do, in milliseconds. */
  readonly maximumAgeMs: number
}

const noWishes: CacheWishes = { noCache: false, noStore: false, maximumAgeMs: Infinity }

/** Reads the `Cache-Control` of a request. https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1 */
export function readCacheControl(value: string | undefined): CacheWishes {
  if (value === undefined) return noWishes
  const directives = value
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim())
  return {
    noCache: directives.includes('no-cache'),
    noStore: directives.includes('no-store'),
    maximumAgeMs: Math.min(...directives.filter((directive) => /^max-age\b/.test(directive)).map(ageMsOf)),
  }
}

/** An age that cannot be read is none: who says something of it wants what is new. */
const ageMsOf = (directive: string) => Number(/^max-age="?(\d+)"?$/.exec(directive)?.[1] ?? 0) * 1_000
