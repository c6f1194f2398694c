import type { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

/** Moves what stands in a ledger's write-ahead log into its database, in a thread of its own. */
export interface Checkpointer {
  /** So many more rows stand in the log. */
  written(rows: number): void
  /** Settles when it holds the file no longer. */
  end(): Promise<void>
}

/** A few MB of log, more in a large ledger: a process that writes less in all its life never starts the thread. */
const rowsPerCheckpoint = 4_000
/** What a log may grow to before SQLite moves it in the thread that writes, in bytes: with a thread, and without. */
const logBytesBeside = 64 * 1024 * 1024
const logBytesAlone = 8 * 1024 * 1024

/** As text, so that it is there in whatever a program is bundled into. */
const work = `
  const { DatabaseSync } = require('node:sqlite')
  const { parentPort, workerData } = require('node:worker_threads')
  const database = new DatabaseSync(new URL(workerData), { timeout: 10_000 })
  parentPort.on('message', (task) => {
    if (task === 'end') {
      database.close()
      return parentPort.close()
    }
    database.exec('pragma wal_checkpoint(passive)')
    parentPort.postMessage('done')
  })`

/**
 * Makes a ledger's checkpointer, for a file by its whole path. A checkpoint waits for the disk twice, which no call is to
 * wait for. Where the thread fails, SQLite does it as it always does.
 */
export function createCheckpointer(file: string, database: DatabaseSync): Checkpointer {
  // Never made anew: it may have been moved away meanwhile.
  const place = pathToFileURL(file)
  place.searchParams.set('mode', 'rw')
  let thread: Thread | undefined
  let unmoved = 0
  let isUnderWay = false

  const pageBytes = Number(database.prepare('pragma page_size').get()!['page_size'])
  const keepLogBelow = (bytes: number) => database.exec(`pragma wal_autocheckpoint = ${Math.floor(bytes / pageBytes)}`)

  function start(): Thread {
    // Without NODE_OPTIONS, which may load half a program into it.
    const worker = new Worker(work, { eval: true, workerData: place.href, execArgv: ['--no-warnings'], env: {} })
    worker.on('message', () => (isUnderWay = false))
    worker.on('error', () => keepLogBelow(logBytesAlone))
    // After the listeners, of which that for messages keeps the process alive.
    worker.unref()
    keepLogBelow(logBytesBeside)
    return { worker, exit: new Promise((resolve) => worker.once('exit', resolve)) }
  }

  return {
    written(rows) {
      unmoved += rows
      if (unmoved < rowsPerCheckpoint || isUnderWay) return
      unmoved = 0
      isUnderWay = true
      thread ??= start()
      thread.worker.postMessage('checkpoint')
    },
    async end() {
      if (!thread) return
      thread.worker.postMessage('end')
      thread.worker.ref()
      await thread.exit
    },
  }
}

interface Thread {
  readonly worker: Worker
  readonly exit: Promise<unknown>
}
