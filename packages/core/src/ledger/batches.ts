import type { Clock, Timer } from '../clock.ts'

/** Rows on their way to a disk, in batches. */
export interface Batches<Row> {
  /** Takes a row, to be written soon. After the end it takes none. */
  add(row: Row): void
  /** Whether rows wait to be written, or were written and are not safe yet. */
  readonly isWaiting: boolean
  /** Writes what waits at once, and settles when all that was written is safe. */
  write(): Promise<void>
  /** Lets go of what waits. */
  end(): void
}

/** What batches are written with. */
export interface BatchOptions<Row> {
  readonly clock: Clock
  /** The longest that a row waits, in milliseconds. */
  readonly batchMs: number
  /** Writes all of a batch, or throws and has written none: it is tried again then. */
  readonly commit: (batch: readonly Row[]) => void
  /** Makes sure that a batch is safe, and tells of it. */
  readonly acknowledge: (batch: readonly Row[]) => Promise<void>
  readonly onError: (error: unknown) => void
}

/** How soon a batch that could not be written is tried again, in milliseconds. */
const retryMs = 1_000
/** What waited while nothing could be written is written so many rows at a time, with turns for calls between them. */
const mostRows = 2_000

/** Gathers rows and writes them together. */
export function createBatches<Row>({ clock, batchMs, commit, acknowledge, onError }: BatchOptions<Row>): Batches<Row> {
  let queue: Row[] = []
  let timer: Timer | undefined
  let syncing: Promise<void> = Promise.resolve()
  let unsafe = 0
  let isOver = false

  const writeIn = (delayMs: number) => {
    timer ??= clock.setTimeout(() => void write(mostRows), delayMs)
  }

  function write(most: number): Promise<void> {
    clock.clearTimeout(timer)
    timer = undefined
    const batch = queue.splice(0, most)
    if (batch.length === 0 || !tryCommit(batch)) return syncing
    if (queue.length > 0) writeIn(0)
    unsafe += 1
    syncing = syncing
      .then(() => acknowledge(batch))
      .catch(onError)
      .finally(() => (unsafe -= 1))
    return syncing
  }

  function tryCommit(batch: Row[]): boolean {
    try {
      commit(batch)
      return true
    } catch (error) {
      queue = [...batch, ...queue]
      writeIn(retryMs)
      onError(error)
      return false
    }
  }

  return {
    add(row) {
      if (isOver) return
      queue.push(row)
      writeIn(batchMs)
    },
    get isWaiting() {
      return queue.length > 0 || unsafe > 0
    },
    write: () => write(Infinity),
    end() {
      isOver = true
      queue = []
      clock.clearTimeout(timer)
    },
  }
}
