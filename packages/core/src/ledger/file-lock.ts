import fs from 'node:fs'
import { openSqlite } from '../sqlite/open.ts'

/** A lock on a file. */
export interface FileLock {
  /** Lets go of it, and takes the file away. */
  release(): void
}

/**
 * Takes a lock that ends with its process however that dies, and that holds between containers of one host, in each of which
 * a process has another number. It is SQLite's, for Node has none of its own. Undefined where somebody has it.
 *
 * @throws Error when the file cannot be opened
 */
export function tryLock(file: string): FileLock | undefined {
  const database = openSqlite(file)
  try {
    // No second file beside it.
    database.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode === busy) return undefined
    throw error
  }
  return {
    release() {
      fs.rmSync(file, { force: true })
      database.close()
    },
  }
}

/** SQLITE_BUSY: https://sqlite.org/rescode.html#busy */
const busy = 5
