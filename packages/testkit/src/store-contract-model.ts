import type { Amount, ContractStore, Entry, ReserveAnswer, Settlement } from './store-contract-types.ts'

/** A store that keeps every reservation for ever and adds them all up each time: slow, and easily seen to be right. */
interface StoreModel {
  reserve(id: string, entries: readonly Entry[], leaseMs: number): ReserveAnswer
  settle(id: string, amounts: readonly Amount[]): Settlement | 'error'
  release(id: string): Settlement | 'error'
  sweep(): { id: string; amounts: readonly Amount[] }[]
  read(key: string): { posted: bigint; held: bigint }
  /** How much of what counts under a key was never granted: soft, settled above its hold, or settled after it was given back. */
  debt(key: string): bigint
  advance(durationMs: number): void
}

/** One thing done to a store and to its model. */
export type StoreStep =
  | { do: 'reserve'; entries: readonly Entry[]; leaseMs: number }
  | { do: 'settle'; back: number; share: number }
  | { do: 'release'; back: number }
  | { do: 'sweep' }
  | { do: 'advance'; durationMs: number }

interface Kept {
  id: string
  entries: readonly Entry[]
  time: number
  endsAt: number
  state: 'held' | 'expired' | 'settled'
  amounts: readonly Amount[]
  told: boolean
}

/** The naive model that a store is compared with. */
function createStoreModel(): StoreModel {
  const all = new Map<string, Kept>()
  let now = 0

  function reserve(id: string, entries: readonly Entry[], leaseMs: number): ReserveAnswer {
    const index = entries.findIndex((entry) => !fits(entry, now))
    if (index >= 0) return refusal(entries, index)
    const amounts = entries.map((entry) => entry.amount)
    all.set(id, { id, entries, time: now, endsAt: now + leaseMs, state: 'held', amounts, told: false })
    return { granted: true }
  }

  function settle(id: string, amounts: readonly Amount[]): Settlement | 'error' {
    const kept = all.get(id)
    if (kept === undefined) return 'unknown'
    const { state } = kept
    if (state === 'settled') return isSame(amounts, kept.amounts) ? 'repeated' : 'error'
    kept.state = 'settled'
    kept.amounts = amounts
    return state === 'held' ? 'settled' : 'corrected'
  }

  function release(id: string) {
    return settle(id, all.get(id)?.entries.map(() => 0) ?? [])
  }

  function sweep() {
    const untold = [...all.values()].filter((kept) => kept.state === 'expired' && !kept.told)
    for (const kept of untold) kept.told = true
    return untold.map(({ id, amounts }) => ({ id, amounts }))
  }

  function read(key: string) {
    const sums = { posted: 0n, held: 0n }
    for (const { kept, index } of counting(key, now)) {
      sums[kept.state === 'held' ? 'held' : 'posted'] += BigInt(kept.amounts[index]!)
    }
    return sums
  }

  function debt(key: string): bigint {
    let sum = 0n
    for (const { kept, index } of counting(key, now)) {
      const { amount, soft, onExpiry } = kept.entries[index]!
      const wasGivenBack = onExpiry === 'release' && kept.endsAt <= now
      const granted = soft || wasGivenBack ? 0n : BigInt(amount)
      const counted = BigInt(kept.amounts[index]!)
      if (counted > granted) sum += counted - granted
    }
    return sum
  }

  function advance(durationMs: number) {
    now += durationMs
    for (const kept of all.values()) {
      if (kept.state !== 'held' || kept.endsAt > now) continue
      kept.state = 'expired'
      kept.amounts = kept.entries.map((entry) => (entry.onExpiry === 'release' ? 0 : entry.amount))
    }
  }

  function* counting(key: string, at: number) {
    for (const kept of all.values()) {
      const index = kept.entries.findIndex((entry) => entry.key === key)
      if (index >= 0 && at < kept.time + (kept.entries[index]!.windowMs ?? Infinity)) yield { kept, index }
    }
  }

  function used(key: string, at: number): bigint {
    let sum = 0n
    for (const { kept, index } of counting(key, at)) sum += BigInt(kept.amounts[index]!)
    return sum
  }

  const fits = ({ key, amount, limit, soft }: Entry, at: number) => soft || used(key, at) + BigInt(amount) <= limit

  function refusal(entries: readonly Entry[], index: number): ReserveAnswer {
    const { key, limit, windowMs } = entries[index]!
    const left = BigInt(limit) - used(key, now)
    const never = entries.some((entry) => !entry.soft && entry.amount > entry.limit)
    const ends = [...counting(key, now)]
      .filter((found) => found.kept.amounts[found.index]! > 0)
      .map(({ kept }) => kept.time + (windowMs ?? Infinity))
    return {
      granted: false,
      index,
      key,
      limit,
      remaining: left > 0n ? left : 0n,
      resetMs: windowMs === undefined ? undefined : Math.max(now, ...ends) - now,
      retryAfterMs: never ? undefined : soonestFit(entries),
      never,
    }
  }

  /** Tries every instant at which something leaves a window. */
  function soonestFit(entries: readonly Entry[]): number | undefined {
    const instants = [...all.values()]
      .flatMap((kept) => kept.entries.map((entry) => kept.time + (entry.windowMs ?? 0)))
      .filter((instant) => instant > now)
      .toSorted((left, right) => left - right)
    const found = instants.find((instant) => entries.every((entry) => fits(entry, instant)))
    return found === undefined ? undefined : found - now
  }

  return { reserve, settle, release, sweep, read, debt, advance }
}

const isSame = (left: readonly Amount[], right: readonly Amount[]) =>
  left.every((amount, index) => BigInt(amount) === BigInt(right[index]!))

/** What a store and its model said to the same step. `what` names the step. */
export interface StepResult {
  what: string
  store: unknown
  model: unknown
}

/**
 * Does the same steps to a store and to a model, and gives what each said. After every step both are read, and a hard
 * key of which more counts than its limit allows appears as a difference.
 */
export async function compareWithModel(
  steps: readonly StoreStep[],
  { store, advance }: { store: ContractStore; advance: (durationMs: number) => void | Promise<void> },
): Promise<StepResult[]> {
  const model = createStoreModel()
  const limits = new Map<string, Amount>()
  const results: StepResult[] = []
  const ids: string[] = []
  const entriesOf = new Map<string, readonly Entry[]>()

  for (const step of steps) {
    results.push(await both(step))
    const keys = [...limits.keys()]
    const readings = await store.read(keys)
    for (const [index, key] of keys.entries()) {
      const { posted, held } = readings[index]!
      results.push({ what: `read ${key}`, store: exact({ posted, held }), model: exact(model.read(key)) })
      const overrun = BigInt(posted) + BigInt(held) - BigInt(limits.get(key)!) - model.debt(key)
      results.push({ what: `invariant of ${key}`, store: overrun > 0n ? overrun : 0n, model: 0n })
    }
  }
  return results

  async function both(step: StoreStep): Promise<StepResult> {
    const what = describe(step)
    if (step.do === 'advance') {
      await advance(step.durationMs)
      model.advance(step.durationMs)
      return { what, store: 0, model: 0 }
    }
    if (step.do === 'sweep') return { what, store: sorted(await store.sweep()), model: sorted(model.sweep()) }
    if (step.do === 'reserve') return reserve(step, what)
    const id = ids[ids.length - 1 - (step.back % Math.max(1, ids.length))] ?? 'nobody'
    if (step.do === 'release') return { what, store: await orError(() => store.release(id)), model: model.release(id) }
    const amounts = (entriesOf.get(id) ?? []).map(({ amount }) => scaled(amount, step.share))
    return { what, store: await orError(() => store.settle(id, amounts)), model: model.settle(id, amounts) }
  }

  async function reserve({ entries, leaseMs }: StoreStep & { do: 'reserve' }, what: string): Promise<StepResult> {
    const id = `hold-${entriesOf.size}`
    entriesOf.set(id, entries)
    const answer = await store.reserve({ id, entries, leaseMs })
    if (answer.granted) for (const entry of entries) limits.set(entry.key, entry.limit)
    if (answer.granted) ids.push(id)
    return { what, store: exact(answer), model: exact(model.reserve(id, entries, leaseMs)) }
  }
}

async function orError<T>(run: () => T | Promise<T>): Promise<T | 'error'> {
  try {
    return await run()
  } catch {
    return 'error'
  }
}

const scaled = (amount: Amount, share: number): Amount =>
  typeof amount === 'bigint' ? (amount * BigInt(Math.round(share * 8))) / 8n : Math.round(amount * share)

/** The same whatever form the amounts have, so that only their values are compared. */
const exact = (value: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, isAmount(name, field) ? BigInt(field) : field]),
  )

const isAmount = (name: string, field: unknown): field is Amount =>
  ['posted', 'held', 'limit', 'remaining'].includes(name) && field !== undefined

const sorted = (expired: readonly { id: string; amounts: readonly Amount[] }[]) =>
  expired.map(({ id, amounts }) => `${id}: ${amounts.join(' ')}`).toSorted()

const describe = (step: StoreStep) =>
  JSON.stringify(step, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
