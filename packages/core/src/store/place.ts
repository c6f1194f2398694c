import { resolve } from 'node:path'
import { isSqliteFile } from '../sqlite/file.ts'

const sqlite = 'sqlite:'
const expected = 'expected "memory" or "sqlite:" and a file'

/** The file of a store that stands in one. `:memory:` is none: each process would count by itself, without a word. */
export function sqliteFileOf(place: string): string | undefined {
  const file = place.startsWith(sqlite) ? place.slice(sqlite.length) : ''
  return file !== '' && isSqliteFile(file) ? file : undefined
}

/** What is wrong with the place of a store; undefined for a good one. */
export function storeFault(place: string): string | undefined {
  if (place === 'memory' || sqliteFileOf(place) !== undefined) return undefined
  return /^rediss?:/.test(place) ? `${expected} (Redis comes with @signalbox/redis, which is not there yet)` : expected
}

/** Whether a store and a ledger are one file, which can't be. */
export function isSameFile(store: string, ledger: string): boolean {
  const file = sqliteFileOf(store)
  return file !== undefined && resolve(file) === resolve(ledger)
}
