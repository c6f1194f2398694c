import { atExit } from '../at-exit.ts'
import type { Clock } from '../clock.ts'
import { longestWaitMs } from '../sqlite/turns.ts'
import { createMemoryStore } from './memory.ts'
import { sqliteFileOf } from './place.ts'
import { createSqliteStore } from './sqlite/index.ts'
import { createSteadyStore, type StoreChange } from './steady.ts'
import type { Store } from './store.ts'

/** A store as a router holds it. */
export interface OpenStore {
  readonly store: Store
  /** Whether it can be reached now. */
  isUp(): boolean
  close(): void
}

/**
 * Opens what limits and budgets count in.
 *
 * @throws SignalboxError `invalid_config` when its file cannot be used
 */
export function openStore(
  place: string,
  { clock, onChange }: { clock: Clock; onChange: (change: StoreChange) => void },
): OpenStore {
  const file = sqliteFileOf(place)
  if (file === undefined) return { store: createMemoryStore({ clock }), isUp: () => true, close: () => undefined }
  const shared = createSqliteStore({ file, clock, busyTimeoutMs: longestWaitMs })
  const steady = createSteadyStore(shared, { clock, onChange })
  const forgetExit = atExit(close)
  return { store: steady, isUp: steady.isUp, close }

  /** What cannot be given back now is taken when this process's lease ends. */
  function close() {
    forgetExit()
    try {
      shared.close()
    } catch (error) {
      onChange({ isUp: false, error })
    }
  }
}
