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
 * monotonic clock, so that no jump of the wall clock moves it. Only when the host restarted is the time it was down
 * taken from the wall clock; a wall clock that has gone back counts as no time.
 */
export function joinTimeLine(file: SqliteFile, clock: Clock): TimeLine {
  const hostNow = clock === systemClock ? hostMonotonicTime : clock.now
  const find = file.prepare('SELECT time, monotonic_time, wall_time FROM host')
  const save = file.prepare(
    `INSERT INTO host (id, time, monotonic_time, wall_time) VALUES (1, ?, ?, ?)
    ON CONFLICT DO UPDATE SET time = excluded.time, monotonic_time = excluded.monotonic_time,
      wall_time = excluded.wall_time`,
  )
  const keep = (time: number) => void save.run(time, hostNow(), clock.wallTime())

  const offset = file.write(() => {
    const last = find.get() as Moment | undefined
    const time = last === undefined ? clock.wallTime() : last.time + elapsedSince(last, hostNow(), clock.wallTime())
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
}

/** A monotonic clock that stands earlier than it did has started anew. */
const elapsedSince = (last: Moment, hostNow: number, wallTime: number) =>
  hostNow >= last.monotonic_time ? hostNow - last.monotonic_time : Math.max(0, wallTime - last.wall_time)

/** Milliseconds since the host started, which all of its processes read from one clock. */
const hostMonotonicTime = () => Number(process.hrtime.bigint()) / 1e6
