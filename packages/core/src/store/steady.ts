import type { Clock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'
import { after, isPromise } from './after.ts'
import { plus } from './amount.ts'
import { createMemoryStore, type MemoryStore } from './memory.ts'
import type { Entry, MaybePromise, Reading, Refused, Reservation, Reserved, Settlement, Store } from './store.ts'

/** Whether a store can be reached, from now on. */
export interface StoreChange {
  readonly isUp: boolean
  /** Why it cannot. */
  readonly error?: unknown
}

/** A {@link Store} that goes on while the one behind it is down. */
export interface SteadyStore extends Store {
  isUp(): boolean
}

export interface SteadyStoreOptions {
  clock: Clock
  onChange: (change: StoreChange) => void
}

/** How long a store that failed is left alone before it is tried again, in milliseconds. */
const retryMs = 1_000
/** Keys whose spending is remembered until the store is back. */
const mostRemembered = 10_000

/**
 * Stands before a store that can fail. While it does, a reservation is refused with `store_unavailable` if one of its
 * entries is `closed`; else it is counted here: against an equal part of each limit that is `share`, and without limit
 * where it is `open`. What was counted here is posted to the store once it is back.
 */
export function createSteadyStore(store: Store, { clock, onChange }: SteadyStoreOptions): SteadyStore {
  let local: MemoryStore | undefined
  let tryAgainAt = 0
  let error: unknown
  let payments = 0
  const used = new Map<string, Entry>()
  const owed = new Map<string, Entry>()

  function reserve(reservation: Reservation): MaybePromise<Reserved | Refused> {
    return reach(
      () => store.reserve(reservation),
      () => reserveHere(reservation),
    )
  }

  function reserveHere(reservation: Reservation): Reserved | Refused {
    if (reservation.entries.some(({ whenDown = 'closed' }) => whenDown === 'closed'))
      throw new SignalboxError('store_unavailable', 'What limits and budgets have left cannot be known now', {
        cause: error,
        retryAfterMs: retryMs,
      })
    const answer = local!.reserve({ ...reservation, entries: reservation.entries.map(partOf) })
    if (answer.granted) reservation.entries.forEach(remember)
    else if (answer.never && !reservation.entries.some(isTooLarge))
      return { ...answer, never: false, retryAfterMs: retryMs }
    return answer
  }

  const partOf = (entry: Entry): Entry =>
    entry.whenDown === 'open'
      ? { ...entry, soft: true }
      : { ...entry, limit: BigInt(entry.limit) / BigInt(store.sharers()) }

  function remember(entry: Entry) {
    if (entry.onExpiry !== 'release' && (used.has(entry.key) || used.size < mostRemembered)) used.set(entry.key, entry)
  }

  /** Uses the store unless it failed a moment ago. */
  function reach<T>(run: () => MaybePromise<T>, otherwise: () => MaybePromise<T>): MaybePromise<T> {
    return local !== undefined && clock.now() < tryAgainAt
      ? otherwise()
      : guarded(() => after(run(), succeed), otherwise)
  }

  /** Does what else is to be done where the store fails. A `RangeError` is its user's mistake. */
  function guarded<T>(run: () => MaybePromise<T>, otherwise: () => MaybePromise<T>): MaybePromise<T> {
    const fail = (cause: unknown) => {
      if (cause instanceof RangeError) throw cause
      goDown(cause)
      return otherwise()
    }
    try {
      const answer = run()
      return isPromise(answer) ? answer.catch(fail) : answer
    } catch (cause) {
      return fail(cause)
    }
  }

  function succeed<T>(answer: T): T {
    if (local !== undefined) comeBack()
    return answer
  }

  function goDown(cause: unknown) {
    error = cause
    tryAgainAt = clock.now() + retryMs
    if (local !== undefined) return
    local = createMemoryStore({ clock })
    // Or whoever has spent its part of a limit would get it anew each time that the store fails.
    for (const entry of owed.values()) countHere(entry)
    owed.clear()
    onChange({ isUp: false, error })
  }

  function countHere(entry: Entry) {
    const id = `owed:${entry.key}`
    local!.reserve({ id, entries: [entry], leaseMs: retryMs })
    local!.settle(id, [entry.amount])
    used.set(entry.key, entry)
  }

  /** What is still held here counts at its upper bound. */
  function comeBack() {
    const keys = [...used.keys()]
    for (const [index, { posted, held }] of local!.read(keys).entries()) {
      const entry = used.get(keys[index]!)!
      const amount = plus(plus(posted, held), owed.get(entry.key)?.amount ?? 0)
      owed.set(entry.key, { ...entry, soft: true, amount })
    }
    used.clear()
    local = undefined
    onChange({ isUp: true })
    if (owed.size > 0) void payBack()
  }

  async function payBack() {
    for (const entry of owed.values()) {
      const id = `while-down:${clock.wallTime()}:${(payments += 1)}`
      owed.delete(entry.key)
      let isThere = false
      try {
        await store.reserve({ id, entries: [entry], leaseMs: retryMs })
        isThere = true
        await store.settle(id, [entry.amount])
      } catch (cause) {
        // What is held there and never settled is posted in full when its lease ends: paid again, it would count twice.
        if (!isThere) owed.set(entry.key, entry)
        return goDown(cause)
      }
    }
  }

  /** Settling may not need what is behind the store, so that it works does not say that the store is up. */
  const settleThere = (run: () => MaybePromise<Settlement>) => guarded<Settlement>(run, () => 'unknown')

  return {
    scope: store.scope,
    sharers: store.sharers,
    isUp: () => local === undefined,
    reserve,
    settle(id, amounts) {
      const here = local?.settle(id, amounts)
      return isHere(here) ? here : settleThere(() => store.settle(id, amounts))
    },
    release(id) {
      const here = local?.release(id)
      return isHere(here) ? here : settleThere(() => store.release(id))
    },
    // What can be read may not be written: where a disk is full, reading would bring the store back again and again.
    read: (keys) =>
      local?.read(keys) ??
      guarded<readonly Reading[]>(
        () => store.read(keys),
        () => local!.read(keys),
      ),
    sweep: () =>
      reach(
        () => store.sweep(),
        () => [],
      ),
  }
}

/** What is too large for a part alone fits again once the store is back. */
const isTooLarge = ({ amount, limit, soft, whenDown }: Entry) => !soft && whenDown !== 'open' && amount > limit

const isHere = (answer: Settlement | undefined): answer is Settlement => answer !== undefined && answer !== 'unknown'
