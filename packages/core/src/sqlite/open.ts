import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite'

/** Opens a SQLite file. Node's SQLite is loaded by the first that is opened: on Node 22 merely importing it prints a warning. */
export function openSqlite(file: string | URL, options: DatabaseSyncOptions = {}): DatabaseSync {
  const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite')
  return new Database(file, options)
}
