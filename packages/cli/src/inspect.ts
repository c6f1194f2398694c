import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { RouterOptions } from '@signalbox/core'

/**
 * A configuration with which a router can be looked at: what it would keep in files that are not there yet is kept in
 * memory. Files that are there, and folders that are not, are left for the router to try.
 */
export function withoutNewFiles({ ledger, store, cache, ...rest }: RouterOptions): RouterOptions {
  const { file, ...inMemory } = cache || {}
  const storeFile = typeof store === 'string' ? store.replace(/^sqlite:/, '') : ''
  return {
    ...rest,
    ledger: ledger && isNew(ledger) ? 'memory' : ledger,
    store: isNew(storeFile) ? 'memory' : store,
    cache: file !== undefined && isNew(file) ? inMemory : cache,
  }
}

const isNew = (file: string) => !stat(file) && Boolean(stat(dirname(file))?.isDirectory())

const stat = (path: string) => {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}
