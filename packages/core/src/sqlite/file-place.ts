import fs from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

/**
 * Remembers which file a database is open in. What it gives throws once that was moved, removed or replaced: what is
 * written from then on, nobody else would find.
 */
export function rememberPlace(database: DatabaseSync): () => void {
  const place = database.location() ?? ''
  const inode = () => fs.statSync(place, { bigint: true, throwIfNoEntry: false })?.ino
  const opened = inode()
  return function checkPlace() {
    if (inode() === opened) return
    throw new Error(`${place} was moved, removed or replaced while it was open: put it back, or start anew`)
  }
}
