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
  const seconds = directives.map((directive) => /^max-age="?(\d+)"?$/.exec(directive)?.[1]).find(Boolean)
  return {
    noCache: directives.includes('no-cache'),
    noStore: directives.includes('no-store'),
    maximumAgeMs: seconds === undefined ? Infinity : Number(seconds) * 1_000,
  }
}
