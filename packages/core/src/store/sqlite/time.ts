import fs from 'node:fs'
import { type Clock, systemClock } from '../../clock.ts'
import type { SqliteFile } from './file.ts'

/** The time that counts in a store file: milliseconds that only go forward, the same in every process of the host. */
export interface TimeLine {
  now(): number
  /** Writes down where time stands, inside a transaction, so that it goes on from there after the host restarted. */
  keep(): void
}

/**
 * Joins the time line of a file. It began at the wall time at which the file was made and has gone on by the host's
 * monotonic clock, so that no jump of the wall clock moves it. Only when the host restarted, or the file came to another
 * one, is the time that went by taken from the wall clock; a wall clock that has gone back counts as no time.
 */
export function joinTimeLine(file: SqliteFile, clock: Clock): TimeLine {
  const hostNow = clock === systemClock ? hostMonotonicTime : clock.now
  const boot = clock === systemClock ? bootId() : null
  const find = file.prepare('SELECT time, monotonic_time, wall_time, boot FROM host')
  const save = file.prepare(
    `INSERT INTO host (id, time, monotonic_time, wall_time, boot) VALUES (1, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET time = excluded.time, monotonic_time = excluded.monotonic_time,
      wall_time = excluded.wall_time, boot = excluded.boot`,
  )
  const keep = (time: number) => void save.run(time, hostNow(), clock.wallTime(), boot)

  const offset = file.write(() => {
    const last = find.get() as Moment | undefined
    const now = { monotonic_time: hostNow(), wall_time: clock.wallTime(), boot }
    const time = last === undefined ? now.wall_time : last.time + elapsed(last, now)
    keep(time)
    return time - clock.now()
  })
  const now = () => offset + clock.now()
  return { now, keep: () => keep(now()) }
}

interface Moment {
  time: number
  monotonic_time: number
  wall_time: number
  /** Null where it is not known. */
  boot: string | null
}

function elapsed(last: Moment, now: Omit<Moment, 'time'>): number {
  // A monotonic clock that stands earlier than it did has started anew.
  const isOneRun = (last.boot ?? now.boot) === now.boot && now.monotonic_time >= last.monotonic_time
  return isOneRun ? now.monotonic_time - last.monotonic_time : Math.max(0, now.wall_time - last.wall_time)
}

/** Names this run of the host's monotonic clock: no other has the same, on this host or another. Linux alone tells. */
function bootId(): string | null {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return null
  }
}

/** Milliseconds since the host started, which all of its processes read from one clock. */
const hostMonotonicTime = () => Number(process.hrtime.bigint()) / 1e6
