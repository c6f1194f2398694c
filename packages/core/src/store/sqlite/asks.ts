import type { Attempted } from './attempt.ts'
import type { Desk, ProcessLease } from './process.ts'
import type { LooseSlice } from './slices.ts'
import type { Refused, Reservation, Reserved } from '../store.ts'

/** The reservations of this process that wait for others to give back what they keep free. */
export interface Asks {
  /** Waits until it is granted or refused. */
  wait(reservation: Reservation, keys: readonly string[]): Promise<Reserved | Refused>
  /** Tries again those for which something has changed, and for the last time those that waited long enough. */
  check(): void
  /** Tries all for the last time. */
  finish(): void
  isWaiting(id: string): boolean
  count(): number
  /** Whether a process was asked in vain and has not renewed its lease since. */
  isSilent(slice: LooseSlice): boolean
}

export interface AsksOptions {
  desk: Desk
  own: ProcessLease
  /** How long to wait for those who do not answer, in milliseconds. */
  timeoutMs: number
  /** Tries to grant a reservation, asking again only where it may. */
  retry: (reservation: Reservation, mayAsk: boolean) => Exclude<Attempted, { outcome: 'leased' }> | Reserved
}

interface Waiter {
  reservation: Reservation
  keys: readonly string[]
  askedAt: number
  /** What the others kept when it was tried last. */
  seen: string
  resolve: (answer: Reserved | Refused) => void
  reject: (error: unknown) => void
}

/** Nobody waits yet. */
export function createAsks({ desk, own, timeoutMs, retry }: AsksOptions): Asks {
  const { file, counters, slices, time } = desk
  const waiters = new Map<string, Waiter>()
  const silent = new Map<bigint, number>()

  function wait(reservation: Reservation, keys: readonly string[]): Promise<Reserved | Refused> {
    const seen = file.read(() => print(looseOf(keys)))
    return new Promise((resolve, reject) => {
      waiters.set(reservation.id, { reservation, keys, askedAt: time.now(), seen, resolve, reject })
    })
  }

  function check() {
    for (const waiter of waiters.values()) settling(waiter, () => checkOne(waiter))
  }

  function checkOne(waiter: Waiter) {
    const left = file.read(() => looseOf(waiter.keys))
    const isOver = time.now() - waiter.askedAt >= timeoutMs
    if (isOver) for (const { processId, endsAt } of left) silent.set(processId, endsAt)
    if (isOver || print(left) !== waiter.seen) tryAgain(waiter, { mayAsk: !isOver, seen: print(left) })
  }

  function finish() {
    for (const waiter of waiters.values()) settling(waiter, () => tryAgain(waiter, { mayAsk: false, seen: '' }))
  }

  function tryAgain(waiter: Waiter, { mayAsk, seen }: { mayAsk: boolean; seen: string }) {
    const answer = retry(waiter.reservation, mayAsk)
    if ('granted' in answer) return end(waiter, answer)
    if (answer.outcome === 'refused') return end(waiter, answer.refused)
    Object.assign(waiter, { keys: answer.keys, seen })
  }

  function end({ reservation, resolve }: Waiter, answer: Reserved | Refused) {
    waiters.delete(reservation.id)
    resolve(answer)
  }

  function settling(waiter: Waiter, run: () => void) {
    try {
      run()
    } catch (error) {
      waiters.delete(waiter.reservation.id)
      waiter.reject(error)
    }
  }

  function looseOf(keys: readonly string[]): LooseSlice[] {
    const now = time.now()
    return keys.flatMap((key) => {
      const row = counters.find(key, now)
      return row === undefined ? [] : slices.looseOthers(row.id, own.id()).filter((slice) => !isSilent(slice))
    })
  }

  const isSilent = ({ processId, endsAt }: LooseSlice) => silent.get(processId) === endsAt

  return { wait, check, finish, isWaiting: (id) => waiters.has(id), count: () => waiters.size, isSilent }
}

const print = (slices: readonly LooseSlice[]) =>
  slices.map(({ processId, amount }) => `${processId}: ${amount}`).join(', ')
