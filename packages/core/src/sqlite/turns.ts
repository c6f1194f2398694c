/** Runs something over a SQLite file again and again until no other connection is in its way. */
export type WhenFree = <T>(run: () => T) => T

/** How long another process may keep a file from a router, whose event loop waits, in milliseconds. */
export const longestWaitMs = 2_000

/**
 * Waits for other connections to a SQLite file, at most so long, blocking the thread. In shorter steps than SQLite's own,
 * which wait up to 100 ms; and where SQLite does not wait at all, as when a file is put into WAL mode.
 *
 * Once it has waited in vain it waits no more until something ran: whoever keeps the file for long stops this thread once,
 * not at every try.
 */
export function createTurns(busyTimeoutMs: number): WhenFree {
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  let patienceMs = busyTimeoutMs

  return function whenFree<T>(run: () => T): T {
    let stepMs = 0.05
    for (let waitedMs = 0; ; waitedMs += stepMs) {
      try {
        const result = run()
        patienceMs = busyTimeoutMs
        return result
      } catch (error) {
        if (!isBusy(error)) throw error
        if (waitedMs >= patienceMs) {
          patienceMs = 0
          throw error
        }
      }
      Atomics.wait(nobody, 0, 0, stepMs * (0.5 + Math.random()))
      stepMs = Math.min(stepMs * 1.5, 5)
    }
  }
}

/** The primary code of SQLite's error, whatever the detail: another connection is at work. */
const isBusy = (error: unknown) =>
  error instanceof Error && 'errcode' in error && ((error.errcode as number) & 0xff) === sqliteBusy

const sqliteBusy = 5
