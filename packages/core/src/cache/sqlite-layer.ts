import { chmodSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock, Timer } from '../clock.ts'
import { decodeAnswer, encodeAnswer } from './answer.ts'
import type { AnswerLayer } from './layer.ts'
import { createTurns, longestWaitMs } from '../sqlite/turns.ts'
import { openSqlite } from '../sqlite/open.ts'
import { unusableFile } from '../sqlite/unusable-file.ts'

/** Marks a SQLite file as a cache of Signalbox: "SBCA". Another layout is another number, and begins anew. */
const applicationId = 0x53424341
/** A cache that is busy is passed over: no call waits for it longer. */
const busyMs = 50
/** Answers are written together, so long after the first of them. */
const flushMs = 50
const flushEntries = 64

/** Options of {@link createSqliteLayer}. */
export interface SqliteLayerOptions {
  readonly file: string
  readonly maximumBytes: number
  /** Answers older than this are of no use to anybody. */
  readonly maximumAgeMs: number
  readonly clock: Clock
  /** Hears of what went wrong behind the back of a call. */
  readonly onError: (error: unknown) => void
}

/**
 * Keeps answers in a SQLite file that all processes of a host share, in so many bytes at the most: the oldest go first. An
 * answer whose bytes are not as they were written is not there.
 *
 * @throws Error for a SQLite file that is something else
 */
export function createSqliteLayer({
  file,
  maximumBytes,
  maximumAgeMs,
  clock,
  onError,
}: SqliteLayerOptions): AnswerLayer {
  const database = openCache(file)
  const select = database.prepare('select answer from answers where key = ?')
  const insert = database.prepare('insert or replace into answers (key, stored, bytes, answer) values (?, ?, ?, ?)')
  const outdated = database.prepare('delete from answers where stored < ?')
  const total = database.prepare('select count(*) as entries, coalesce(sum(bytes), 0) as bytes from answers')
  const evict = database.prepare(
    'delete from answers where key in (select key from (select key, sum(bytes) over (order by stored desc, key) as upTo from answers) where upTo > ?)',
  )
  const queue = new Map<string, Uint8Array>()
  let timer: Timer | undefined

  function flush(): void {
    clock.clearTimeout(timer)
    timer = undefined
    if (queue.size === 0) return
    const entries = [...queue]
    queue.clear()
    try {
      database.exec('begin immediate')
      const now = clock.wallTime()
      for (const [key, bytes] of entries) insert.run(key, now, bytes.length, bytes)
      outdated.run(now - maximumAgeMs)
      if (sizeNow().bytes > maximumBytes) evict.run(maximumBytes)
      database.exec('commit')
    } catch (error) {
      if (database.isTransaction) database.exec('rollback')
      onError(error)
    }
  }

  function sizeNow() {
    const { entries, bytes } = total.get() as { entries: number; bytes: number }
    return { entries, bytes, maximumBytes }
  }

  return {
    name: 'sqlite',
    get(key) {
      const bytes = queue.get(key) ?? (select.get(key) as { answer: Uint8Array } | undefined)?.answer
      return bytes && decodeAnswer(bytes)
    },
    set(key, answer) {
      const bytes = encodeAnswer(answer)
      if (bytes.length > maximumBytes) return
      queue.set(key, bytes)
      if (queue.size >= flushEntries) flush()
      else timer ??= clock.setTimeout(flush, flushMs)
    },
    size: sizeNow,
    close() {
      flush()
      database.close()
    },
  }
}

function openCache(file: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    const opened = (database = openSqlite(file, { timeout: busyMs }))
    createTurns(longestWaitMs)(() => makeUsable(opened))
    // Answers are for their callers alone.
    chmodSync(file, 0o600)
    return database
  } catch (cause) {
    database?.close()
    throw unusableFile('cache', file, cause)
  }
}

function makeUsable(database: DatabaseSync): void {
  // In this order: another process may make the file meanwhile, and gives it its mark before it is full.
  const { tables } = database.prepare("select count(*) as tables from sqlite_schema where type = 'table'").get() as {
    tables: number
  }
  const { application_id: id } = database.prepare('pragma application_id').get() as { application_id: number }
  if (id !== applicationId && tables > 0) throw new Error('it is a SQLite file, but no cache of Signalbox')
  database.exec(`pragma journal_mode = wal; pragma synchronous = normal; pragma application_id = ${applicationId};
    create table if not exists answers (
      key text primary key, stored real not null, bytes integer not null, answer blob not null) strict;
    create index if not exists answers_by_age on answers (stored, bytes)`)
}
