import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { SignalboxError, isSignalboxError } from '../../errors.ts'
import { rememberPlace } from '../../sqlite/file-place.ts'
import { openSqlite } from '../../sqlite/open.ts'
import { createTurns } from '../../sqlite/turns.ts'
import { whyUnusable } from '../../sqlite/unusable-file.ts'
import { applicationId, migrations } from './schema.ts'

/** Takes a function that puts back what a transaction changed in memory, should it fail. */
export type OnUndo = (undo: () => void) => void

/** An open store file. */
export interface SqliteFile {
  /** Whole numbers come out as bigints. */
  prepare(sql: string): StatementSync
  /**
   * Runs while no other connection writes; everything happens or nothing. Not to be nested. Throws when the file is no longer
   * where it was: others would count in another.
   */
  write<T>(run: (onUndo: OnUndo) => T): T
  /** Runs over the file as it is at one instant. Not to be nested. */
  read<T>(run: () => T): T
  close(): void
}

/**
 * Opens a store file, making or upgrading it as needed, and waits at most `busyTimeoutMs` for other processes.
 *
 * @throws SignalboxError `invalid_config` when it cannot be written, or is another kind of file
 */
export function openSqliteFile(file: string, busyTimeoutMs: number): SqliteFile {
  const database = openDatabase(file)
  try {
    const whenFree = createTurns(busyTimeoutMs)
    whenFree(() => checkOwner(database, file))
    whenFree(() => useWriteAheadLog(database, file))
    database.exec('PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON')
    const transactions = createTransactions(database, { busyTimeoutMs, checkPlace: rememberPlace(database) })
    transactions.write(() => migrate(database, file))
    return { prepare: (sql) => prepare(database, sql), ...transactions, close: () => database.close() }
  } catch (error) {
    database.close()
    throw isSignalboxError(error) ? error : unusable(file, error)
  }
}

const unusable = (file: string, cause: unknown) =>
  new SignalboxError('invalid_config', `The store ${file} cannot be opened for writing: ${whyUnusable(file, cause)}`, {
    cause,
  })

function openDatabase(file: string): DatabaseSync {
  try {
    return openSqlite(file)
  } catch (cause) {
    throw unusable(file, cause)
  }
}

function checkOwner(database: DatabaseSync, file: string) {
  // In this order: another process may make the file meanwhile, and gives it its mark when it fills it.
  const isNew = isEmpty(database)
  const owner = pragma(database, 'application_id')
  if (owner === applicationId || (owner === 0 && isNew)) return
  throw new SignalboxError('invalid_config', `${file} is another program's database, not a Signalbox store`)
}

const isEmpty = (database: DatabaseSync) =>
  pragma(database, 'user_version') === 0 && database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined

function useWriteAheadLog(database: DatabaseSync, file: string) {
  const mode = String(Object.values(database.prepare('PRAGMA journal_mode = WAL').get()!)[0])
  if (mode === 'wal') return
  throw new SignalboxError('invalid_config', `${file} cannot be shared: its journal mode is ${mode}, not wal`)
}

function migrate(database: DatabaseSync, file: string) {
  const version = pragma(database, 'user_version')
  if (version > migrations.length) {
    throw new SignalboxError(
      'invalid_config',
      `${file} was written by a newer Signalbox: its version is ${version}, this one knows ${migrations.length}`,
    )
  }
  if (version === migrations.length) return
  for (const migration of migrations.slice(version)) database.exec(migration)
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
}

const pragma = (database: DatabaseSync, name: string) =>
  Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0])

function prepare(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql)
  statement.setReadBigInts(true)
  return statement
}

function createTransactions(
  database: DatabaseSync,
  { busyTimeoutMs, checkPlace }: { busyTimeoutMs: number; checkPlace: () => void },
): Pick<SqliteFile, 'write' | 'read'> {
  // Of their own: that reading goes on says nothing of who writes.
  const whenWritable = createTurns(busyTimeoutMs)
  const whenReadable = createTurns(busyTimeoutMs)
  const beginWrite = database.prepare('BEGIN IMMEDIATE')
  const beginRead = database.prepare('BEGIN')
  const commit = database.prepare('COMMIT')

  function write<T>(run: (onUndo: OnUndo) => T): T {
    checkPlace()
    const undos: (() => void)[] = []
    whenWritable(() => beginWrite.run())
    try {
      const result = run((undo) => undos.push(undo))
      commit.run()
      return result
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      for (const undo of undos.toReversed()) undo()
      throw error
    }
  }

  function read<T>(run: () => T): T {
    return whenReadable(() => {
      beginRead.run()
      try {
        return run()
      } finally {
        commit.run()
      }
    })
  }

  return { write, read }
}
