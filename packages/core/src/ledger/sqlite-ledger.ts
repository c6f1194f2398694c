import fs from 'node:fs'
import { promisify } from 'node:util'
import type { StatementSync } from 'node:sqlite'
import type { Clock, Timer } from '../clock.ts'
import type { KnownPrices } from '../reports/baseline.ts'
import { abandonedIntents, openJournal } from './journal.ts'
import { lostAttempt, lostCall } from './lost.ts'
import { attemptColumns, attemptOf, attemptValues, callColumns, callValues } from './rows.ts'
import { openDatabase } from './schema.ts'
import { createSqliteReader } from './sqlite-reader.ts'
import {
  type Ledger,
  type LedgerAttempt,
  type LedgerCall,
  type LedgerRating,
  type OnEntries,
  conflict,
  isSamePosting,
} from './types.ts'

/** How the ledger is kept. */
export interface SqliteLedgerOptions {
  readonly file: string
  readonly clock: Clock
  /** What reports compare with, besides what stands in the ledger. */
  readonly prices?: KnownPrices | undefined
  /** Hears of calls once they are safe on disk. */
  readonly onEntries?: OnEntries
  /** Hears of what could not be written. */
  readonly onError?: (error: unknown) => void
  /** The longest that a row waits to be written, in milliseconds. @default 20 */
  readonly batchMs?: number
}

type Posted = { readonly attempt: LedgerAttempt } | { readonly call: LedgerCall } | { readonly rating: LedgerRating }

const fdatasync = promisify(fs.fdatasync)

/** How often the journals of processes that died are looked for. */
const recoverMs = 30_000
/** How soon a batch that could not be written is tried again. */
const retryMs = 1_000

/**
 * A ledger in a SQLite file. Rows are written in batches; a batch is acknowledged when the write-ahead log is synced to
 * disk, which is done off the main thread and is as much as `synchronous = full` does. Attempts whose process died are
 * found in its journal and posted at their upper bound, as estimated.
 */
export function createSqliteLedger(options: SqliteLedgerOptions): Ledger {
  const { file, clock, prices, onEntries, onError, batchMs = 20 } = options
  const database = openDatabase(file)
  const journal = openJournal(file)
  const log = fs.openSync(`${file}-wal`, 'a')
  const insertAttempt = database.prepare(
    `insert or ignore into attempts (${attemptColumns}) values (${marks(attemptColumns)})`,
  )
  const insertCall = database.prepare(`insert or ignore into calls (${callColumns}) values (${marks(callColumns)})`)
  const insertRating = database.prepare('insert into ratings (call_key, time, score) values (?, ?, ?)')
  const findAttempt = database.prepare(`select ${attemptColumns} from attempts where call_key = ? and place = ?`)
  let queue: Posted[] = []
  let timer: Timer | undefined
  let failure: unknown
  let syncing: Promise<void> = Promise.resolve()

  function later(posted: Posted): void {
    queue.push(posted)
    timer ??= clock.setTimeout(() => void write(), batchMs)
  }

  /** Writes the batch at once and settles when it is on disk. */
  function write(): Promise<void> {
    clock.clearTimeout(timer)
    timer = undefined
    const batch = queue
    queue = []
    if (batch.length > 0 && commit(batch)) syncing = syncing.then(() => acknowledge(batch)).catch(fail)
    return syncing
  }

  /** Writes all of a batch, or keeps it for the next time. */
  function commit(batch: readonly Posted[]): boolean {
    try {
      database.exec('begin immediate')
      for (const posted of batch) insert(posted)
      database.exec('commit')
      return true
    } catch (error) {
      if (database.isTransaction) database.exec('rollback')
      queue = [...batch, ...queue]
      timer = clock.setTimeout(() => void write(), retryMs)
      fail(error)
      return false
    }
  }

  function insert(posted: Posted): void {
    if ('call' in posted) {
      insertCall.run(...callValues(posted.call))
      return
    }
    if ('rating' in posted) {
      const { callKey, time, score } = posted.rating
      insertRating.run(callKey, Math.round(time), score)
      return
    }
    const { attempt } = posted
    if (insertAttempt.run(...attemptValues(attempt)).changes === 0n && !isSame(findAttempt, attempt))
      fail(conflict(attempt))
  }

  async function acknowledge(batch: readonly Posted[]): Promise<void> {
    await fdatasync(log)
    for (const posted of batch) if ('attempt' in posted) journal.settled(posted.attempt.callKey, posted.attempt.place)
    const calls = batch.flatMap((posted) => ('call' in posted ? [posted.call.callKey] : []))
    if (calls.length > 0) onEntries?.(calls)
  }

  function fail(error: unknown): void {
    failure = error
    onError?.(error)
  }

  function recover(): void {
    const { intents, drop } = abandonedIntents(file)
    if (intents.length > 0) {
      database.exec('begin immediate')
      for (const intent of intents) {
        insertAttempt.run(...attemptValues(lostAttempt(intent)))
        insertCall.run(...callValues(lostCall(intent)))
      }
      database.exec('commit')
      fs.fdatasyncSync(log)
    }
    drop()
  }

  recover()
  let recovery: Timer
  const recoverAgain = () => {
    try {
      recover()
    } catch (error) {
      fail(error)
    }
    recovery = clock.setTimeout(recoverAgain, recoverMs)
  }
  recovery = clock.setTimeout(recoverAgain, recoverMs)

  async function flush(): Promise<void> {
    await write()
    if (failure === undefined) return
    const cause = failure
    failure = undefined
    throw cause instanceof Error ? cause : new Error('The ledger could not be written', { cause })
  }

  let ending: Promise<void> | undefined
  async function end(): Promise<void> {
    clock.clearTimeout(recovery)
    try {
      await flush()
    } finally {
      clock.clearTimeout(timer)
      journal.end()
      fs.closeSync(log)
      database.close()
    }
  }

  return {
    begin: journal.begin,
    post: (attempt) => later({ attempt }),
    close: (call) => later({ call }),
    rate: (rating) => later({ rating }),
    flush,
    ...createSqliteReader(database, { clock, prices, beforeReading: () => void write() }),
    end: () => (ending ??= end()),
  }
}

const marks = (columns: string) => columns.split(',').fill('?').join(', ')

function isSame(find: StatementSync, attempt: LedgerAttempt): boolean {
  const row = find.get(attempt.callKey, attempt.place)
  const before = row && attemptOf(row)
  return before !== undefined && isSamePosting(before, attempt)
}
