import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
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

/** Opens this process's journal. */
export function openJournal(ledgerFile: string): Journal {
  const place = `${ledgerFile}-intents-${process.pid}.${startOf(process.pid)}`
  let isOver = false
  let current = openGeneration()

  function openGeneration() {
    const file = `${place}-${randomUUID()}`
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
        left.add(current)
        current = openGeneration()
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
    },
  }
}

const nameOf = (callKey: string, place: number) => `${callKey}/${place}`

/** What the journals of processes that are no more still hold, and a way to drop them. */
export function abandonedIntents(ledgerFile: string): { readonly intents: readonly LedgerIntent[]; drop(): void } {
  const prefix = `${path.basename(ledgerFile)}-intents-`
  const folder = path.dirname(ledgerFile)
  const files = fs
    .readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && !isAlive(name.slice(prefix.length).split('-')[0]!))
  const full = files.map((name) => path.join(folder, name))
  return { intents: full.flatMap(readIntents), drop: () => full.forEach((file) => fs.rmSync(file, { force: true })) }
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

/** Whether a process still runs. A number comes again, in a container at once: what tells is when it began. */
function isAlive(writer: string): boolean {
  const [pid, start] = writer.split('.').map(Number) as [number, number]
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return startOf(pid) === start
}

/**
 * When a process began, in ticks since the system did; 0 on systems that do not say. NaN for one that is dead and still has
 * its number, because nobody has waited for it: in a container nobody may ever.
 */
function startOf(pid: number): number {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return 'ZX'.includes(fields[stateField]!) ? NaN : Number(fields[startField])
  } catch {
    return 0
  }
}

/** Places among the fields after the name: proc_pid_stat(5). */
const stateField = 0
const startField = 19
