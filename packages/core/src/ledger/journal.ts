import { randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { type FileLock, tryLock } from './file-lock.ts'
import type { LedgerIntent } from './types.ts'

/**
 * Attempts that are about to be sent, written down before they are: a file for each process beside the ledger. A line is
 * in the system's hands when `begin` returns, so it outlives the process, and nothing waits for a disk. Each begins by
 * ending the one before, which a full disk may have cut.
 */
export interface Journal {
  /** @throws Error when it cannot be written, or is closed */
  begin(intent: LedgerIntent): void
  /** The attempt is in the ledger. */
  settled(callKey: string, place: number): void
  end(): void
}

/** A journal whose attempts are all settled begins anew when it has grown to this size. */
const rewindBytes = 256 * 1024
/** One with attempts that never settle is left behind at this size, for a new one. */
const leaveBytes = 8 * 1024 * 1024

/** Where the journals beside a ledger lie, and the locks of those who write them. */
const journals = (ledgerFile: string) => `${ledgerFile}-intents-`
const lockOf = (ledgerFile: string, writer: string) => `${ledgerFile}-alive-${writer}`

/** Opens this process's journal. */
export function openJournal(ledgerFile: string): Journal {
  const writer = randomBytes(8).toString('hex')
  // Before there is a journal: nobody takes it for one that was left.
  const lock = tryLock(lockOf(ledgerFile, writer))
  let isOver = false
  let current = openFirst()

  function openFirst() {
    try {
      return openGeneration()
    } catch (error) {
      lock?.release()
      throw error
    }
  }

  function openGeneration() {
    const file = `${journals(ledgerFile)}${writer}-${randomUUID()}`
    return { file, descriptor: fs.openSync(file, 'ax'), bytes: 0, pending: new Set<string>() }
  }
  type Generation = ReturnType<typeof openGeneration>
  const left = new Set<Generation>()

  const drop = ({ file, descriptor }: Generation) => {
    fs.closeSync(descriptor)
    fs.rmSync(file, { force: true })
  }

  function tidy(generation: Generation): void {
    if (generation.pending.size > 0) return
    if (generation !== current) {
      left.delete(generation)
      drop(generation)
    } else if (generation.bytes > rewindBytes) {
      fs.ftruncateSync(generation.descriptor)
      generation.bytes = 0
    }
  }

  return {
    begin(intent) {
      if (isOver) throw new Error('The ledger is closed')
      if (current.bytes > leaveBytes) {
        const next = openGeneration()
        left.add(current)
        current = next
      }
      const line = Buffer.from(`\n${JSON.stringify(intent)}`)
      const written = fs.writeSync(current.descriptor, line)
      current.bytes += written
      if (written < line.length) throw new Error(`${current.file} takes no more: the disk is full`)
      current.pending.add(nameOf(intent.callKey, intent.place))
    },
    settled(callKey, number) {
      if (isOver) return
      const name = nameOf(callKey, number)
      for (const generation of [current, ...left]) if (generation.pending.delete(name)) return tidy(generation)
    },
    end() {
      isOver = true
      for (const generation of [current, ...left]) {
        if (generation.pending.size === 0) drop(generation)
        else fs.closeSync(generation.descriptor)
      }
      lock?.release()
    },
  }
}

const nameOf = (callKey: string, place: number) => `${callKey}/${place}`

/** What the journals of processes that are no more still hold. */
export interface Abandoned {
  readonly intents: readonly LedgerIntent[]
  /** Takes those journals away: what stood in them is in the ledger. */
  drop(): void
  /** Leaves them to whoever looks next. */
  leave(): void
}

/** Looks for the journals of processes that are no more. Until they are dropped or left, nobody else finds them. */
export function abandonedIntents(ledgerFile: string): Abandoned {
  const folder = path.dirname(ledgerFile)
  const prefix = path.basename(journals(ledgerFile))
  const names = fs.readdirSync(folder).filter((name) => name.startsWith(prefix))
  const writerOf = (name: string) => name.slice(prefix.length).split('-')[0]!
  const locks = new Map<string, FileLock>()
  const leave = () => locks.forEach((lock) => lock.release())
  try {
    for (const writer of new Set(names.map(writerOf))) {
      const lock = tryLock(lockOf(ledgerFile, writer))
      if (lock) locks.set(writer, lock)
    }
    const files = names.filter((name) => locks.has(writerOf(name))).map((name) => path.join(folder, name))
    const drop = () => {
      for (const file of files) fs.rmSync(file, { force: true })
      leave()
    }
    return { intents: files.flatMap(readIntents), drop, leave }
  } catch (error) {
    leave()
    throw error
  }
}

function readIntents(file: string): LedgerIntent[] {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as LedgerIntent]
    } catch {
      // The process died in the middle of a line: the attempt was never sent.
      return []
    }
  })
}
