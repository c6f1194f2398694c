import fs from 'node:fs'
import { promisify } from 'node:util'
import { atExit } from '../at-exit.ts'
import type { Clock, Timer } from '../clock.ts'
import type { KnownPrices } from '../reports/baseline.ts'
import { unusableFile } from '../sqlite/unusable-file.ts'
import { createBatches } from './batches.ts'
import { createCheckpointer } from './checkpointer.ts'
import { abandonedIntents, openJournal } from './journal.ts'
import { lostAttempt, lostCall } from './lost.ts'
import { type Posted, createRowWriter } from './row-writer.ts'
import { openDatabase } from './schema.ts'
import { createSqliteReader } from './sqlite-reader.ts'
import type { Ledger, OnEntries } from './types.ts'

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
  /** The longest that a row waits to be written, in milliseconds. @default 50 */
  readonly batchMs?: number
}

const synced = promisify((descriptor: number, done: fs.NoParamCallback) => fs.fdatasync(descriptor, done))

/** How often the journals of processes that died are looked for. */
const recoverMs = 30_000

/**
 * A ledger in a SQLite file. Rows are written in batches; a batch is acknowledged when the write-ahead log is synced to
 * disk, which is done off the main thread and is as much as `synchronous = full` does. Attempts whose process died are
 * found in its journal and posted at their upper bound, as estimated.
 *
 * @throws SignalboxError `invalid_config` for a file that is no ledger, or cannot be written
 */
export function createSqliteLedger(options: SqliteLedgerOptions): Ledger {
  const files = openFiles(options.file)
  try {
    return ledgerIn(files, options)
  } catch (error) {
    closeFiles(files)
    throw unusableFile('ledger', options.file, error)
  }
}

function ledgerIn(files: Files, options: SqliteLedgerOptions): Ledger {
  const { file, database, journal, log } = files
  const { clock, prices, onEntries, onError, batchMs = 50 } = options
  let failure: unknown
  let failures = 0
  let told = 0
  const fail = (error: unknown) => {
    failure = error
    failures += 1
    onError?.(error)
  }
  const checkpointer = createCheckpointer(file, database)
  const writeRows = createRowWriter(database, fail)
  const commit = (rows: readonly Posted[]) => {
    writeRows(rows)
    checkpointer.written(rows.length)
  }
  const batches = createBatches<Posted>({ clock, batchMs, commit, acknowledge, onError: fail })
  const stopRecovering = startRecovering(() => recover(file, { commit, log }), { clock, onError: fail })
  // Who forgets to end it, or cannot, as a program that fails, is not to be charged at the upper bound for it.
  const forgetExit = atExit(() => void batches.write())

  async function acknowledge(batch: readonly Posted[]): Promise<void> {
    await synced(log)
    for (const posted of batch) if ('attempt' in posted) journal.settled(posted.attempt.callKey, posted.attempt.place)
    const calls = batch.flatMap((posted) => ('call' in posted ? [posted.call.callKey] : []))
    if (calls.length > 0) onEntries?.(calls)
  }

  async function flush(): Promise<void> {
    const before = told
    await batches.write()
    if (failures === before) return
    // Whoever flushes at the same time is told too.
    told = failures
    throw failure instanceof Error ? failure : new Error('The ledger could not be written', { cause: failure })
  }

  let ending: Promise<void> | undefined
  async function end(): Promise<void> {
    stopRecovering()
    // It was told of. What it kept waiting is still there or has been written since.
    told = failures
    try {
      do await flush()
      while (batches.isWaiting)
    } finally {
      batches.end()
      forgetExit()
      await checkpointer.end()
      closeFiles(files)
    }
  }

  return {
    begin: journal.begin,
    post: (attempt) => batches.add({ attempt }),
    close: (call) => batches.add({ call }),
    rate: (rating) => batches.add({ rating }),
    flush,
    ...createSqliteReader(database, { clock, prices, beforeReading: () => void batches.write() }),
    end: () => (ending ??= end()),
  }
}

type Files = ReturnType<typeof openFiles>

function openFiles(given: string) {
  const database = openDatabase(given)
  try {
    // What lies beside the file lies beside what a link points at, and stays there when the process goes elsewhere.
    const file = database.location() ?? given
    const log = fs.openSync(`${file}-wal`, 'a')
    try {
      return { file, database, log, journal: openJournal(file) }
    } catch (error) {
      fs.closeSync(log)
      throw error
    }
  } catch (error) {
    database.close()
    throw unusableFile('ledger', given, error)
  }
}

function closeFiles({ database, journal, log }: Files): void {
  journal.end()
  fs.closeSync(log)
  database.close()
}

/** Posts what the journals of processes that are no more still hold. */
function recover(file: string, { commit, log }: { commit: (rows: readonly Posted[]) => void; log: number }): void {
  const { intents, drop, leave } = abandonedIntents(file)
  try {
    if (intents.length > 0) {
      commit(intents.flatMap((intent) => [{ attempt: lostAttempt(intent) }, { call: lostCall(intent) }]))
      fs.fdatasyncSync(log)
    }
  } catch (error) {
    leave()
    throw error
  }
  drop()
}

/** Does it at once, and then again and again, until the function returned is called. */
function startRecovering(
  run: () => void,
  { clock, onError }: { clock: Clock; onError: (error: unknown) => void },
): () => void {
  run()
  let timer: Timer
  const again = () => {
    try {
      run()
    } catch (error) {
      onError(error)
    }
    timer = clock.setTimeout(again, recoverMs)
  }
  timer = clock.setTimeout(again, recoverMs)
  return () => clock.clearTimeout(timer)
}
