import { type Amount, narrow } from '../amount.ts'
import type { SqliteFile } from './file.ts'

/** What other processes lease of a key. */
export interface Others {
  held: Amount
  /** How many they are. */
  count: number
}

/** A slice of which another process may keep something free. */
export interface LooseSlice {
  processId: bigint
  amount: Amount
  /** When that process's lease ends. */
  endsAt: number
}

/** A slice of a process whose lease ended. */
export interface DeadSlice {
  counterId: bigint
  key: string
  windowMs: number
  forgetAfterMs: number
  amount: bigint
  releases: boolean
  /** How much was posted for it when the lease ended. */
  lapsed: bigint
}

/** A process as the file has it. */
export interface ProcessRow {
  id: bigint
  endsAt: number
  isLapsed: boolean
}

/** The rows of what each process leases, and of the processes. Each function expects to be inside a transaction. */
export type SliceRows = ReturnType<typeof createSliceRows>

/** Prepares what reads and writes them. */
export function createSliceRows({ prepare }: SqliteFile) {
  const held = prepare(
    `SELECT coalesce(sum(amount), 0) AS held, count(*) AS count FROM slices
    WHERE counter_id = ? AND process_id <> ? AND amount > 0`,
  )
  const loose = prepare(
    `SELECT process_id AS processId, amount, ends_at AS endsAt FROM slices JOIN processes ON processes.id = process_id
    WHERE counter_id = ? AND process_id <> ? AND amount > 0 AND is_exact = 0`,
  )
  const upsert = prepare(
    `INSERT INTO slices (counter_id, process_id, amount, is_exact, releases) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET amount = excluded.amount, is_exact = excluded.is_exact, releases = excluded.releases,
      lapsed = 0`,
  )
  const remove = prepare('DELETE FROM slices WHERE counter_id = ? AND process_id = ?')
  const ofProcess = prepare(
    `SELECT counters.id AS counterId, key, window_ms, forget_after_ms, amount, releases, lapsed
    FROM slices JOIN counters ON counters.id = counter_id WHERE process_id = ?`,
  )
  const lapse = prepare('UPDATE slices SET amount = 0, lapsed = ? WHERE counter_id = ? AND process_id = ?')
  const restore = prepare('UPDATE slices SET amount = ?, lapsed = 0 WHERE counter_id = ? AND process_id = ?')
  const asked = prepare(
    `SELECT key FROM counters JOIN slices ON counter_id = counters.id AND process_id = ?
    WHERE exact_until > 0 AND exact_until > ? AND is_exact = 0`,
  )
  const generation = prepare('SELECT asked FROM host')
  const nextGeneration = prepare('UPDATE host SET asked = asked + 1')

  const byId = prepare('SELECT id, ends_at, lapsed FROM processes WHERE id = ?')
  const due = prepare('SELECT id, ends_at, lapsed FROM processes WHERE ends_at <= ? AND lapsed = 0')
  const living = prepare('SELECT count(*) AS count FROM processes WHERE lapsed = 0')
  const addProcess = prepare('INSERT INTO processes (pid, ends_at) VALUES (?, ?) RETURNING id')
  const renew = prepare('UPDATE processes SET ends_at = ?, lapsed = 0 WHERE id = ?')
  const lapseProcess = prepare('UPDATE processes SET lapsed = 1 WHERE id = ?')
  const removeProcess = prepare('DELETE FROM processes WHERE id = ?')
  const removeOld = prepare('DELETE FROM processes WHERE lapsed = 1 AND ends_at <= ?')

  function others(counterId: bigint, processId: bigint): Others {
    const row = held.get(counterId, processId) as { held: bigint; count: bigint }
    return { held: narrow(row.held), count: Number(row.count) }
  }

  function looseOthers(counterId: bigint, processId: bigint): LooseSlice[] {
    const rows = loose.all(counterId, processId) as unknown as (LooseSlice & { amount: bigint })[]
    return rows.map(({ processId: owner, amount, endsAt }) => ({ processId: owner, amount: narrow(amount), endsAt }))
  }

  function slicesOf(processId: bigint): DeadSlice[] {
    return ofProcess.all(processId).map((row) => ({
      counterId: row.counterId as bigint,
      key: row.key as string,
      windowMs: (row.window_ms as number | null) ?? Infinity,
      forgetAfterMs: (row.forget_after_ms as number | null) ?? Infinity,
      amount: row.amount as bigint,
      releases: row.releases === 1n,
      lapsed: row.lapsed as bigint,
    }))
  }

  function save(counterId: bigint, processId: bigint, { amount, isExact, releases }: SliceChange) {
    if (amount > 0) upsert.run(counterId, processId, BigInt(amount), isExact ? 1 : 0, releases ? 1 : 0)
    else remove.run(counterId, processId)
  }

  return {
    others,
    looseOthers,
    slicesOf,
    save,
    lapseSlice: (slice: DeadSlice, processId: bigint) => void lapse.run(slice.lapsed, slice.counterId, processId),
    restoreSlice: (counterId: bigint, processId: bigint, amount: Amount) =>
      void restore.run(BigInt(amount), counterId, processId),
    /** The keys of which this process may keep something free and should not. */
    askedOf: (processId: bigint, now: number) => asked.all(processId, now).map((row) => row.key as string),
    generation: () => generation.get()!.asked as bigint,
    ask: () => void nextGeneration.run(),
    findProcess(id: bigint): ProcessRow | undefined {
      const row = byId.get(id)
      return row === undefined ? undefined : processRow(row)
    },
    /** The processes whose lease ended without it being written down. */
    dueProcesses: (now: number) => due.all(now).map(processRow),
    countLiving: () => Number(living.get()!.count),
    addProcess: (pid: number, endsAt: number) => (addProcess.get(pid, endsAt) as { id: bigint }).id,
    renew: (id: bigint, endsAt: number) => void renew.run(endsAt, id),
    lapseProcess: (id: bigint) => void lapseProcess.run(id),
    removeProcess: (id: bigint) => void removeProcess.run(id),
    removeProcessesUntil: (endsAt: number) => void removeOld.run(endsAt),
  }
}

interface SliceChange {
  amount: Amount
  isExact: boolean
  releases: boolean
}

const processRow = ({ id, ends_at, lapsed }: Record<string, unknown>): ProcessRow => ({
  id: id as bigint,
  endsAt: ends_at as number,
  isLapsed: lapsed === 1n,
})
