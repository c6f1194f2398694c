/** 1 is the most urgent. */
export type Priority = 1 | 2 | 3 | 4 | 5

export interface Queued {
  priority: Priority
  /** The order of arrival; smaller is older. */
  sequence: number
}

/** Who is next: in order of arrival within a priority, in proportion to {@link weights} between them. */
export interface FairQueue<T extends Queued> {
  size(): number
  /** Lines it up behind those of its priority that arrived before it. */
  push(item: T): void
  /** Whose turn it is; it stays so until this one is taken or removed. */
  peek(): T | undefined
  /** Removes one that got what it waited for: its priority has had its turn. */
  take(item: T): void
  /** Removes one that left without. */
  remove(item: T): void
}

/** Of 31 turns under constant overload, priority 1 has 16, then 8, 4, 2 and 1: the urgent first, and nobody never. */
export const weights: Readonly<Record<Priority, number>> = { 1: 16, 2: 8, 3: 4, 4: 2, 5: 1 }

interface Level<T> {
  priority: Priority
  items: T[]
  /** Rises by 1/weight with each turn; the level that is lowest is next. */
  passed: number
}

/** Stride scheduling over one list for each priority. Removing one takes time in proportion to the list. */
export function createFairQueue<T extends Queued>(): FairQueue<T> {
  const levels = ([1, 2, 3, 4, 5] as const).map((priority): Level<T> => ({ priority, items: [], passed: 0 }))
  let turn: T | undefined
  let lastPassed = 0
  let size = 0

  function push(item: T) {
    const level = levels[item.priority - 1]!
    // A level that was empty must not have saved up its turns.
    if (level.items.length === 0) level.passed = Math.max(level.passed, lastPassed)
    let place = level.items.length
    while (place > 0 && level.items[place - 1]!.sequence > item.sequence) place--
    level.items.splice(place, 0, item)
    size++
  }

  function peek(): T | undefined {
    if (turn !== undefined) return turn
    const next = nextLevel()
    if (next === undefined) return undefined
    lastPassed = next.passed
    turn = next.items[0]
    return turn
  }

  function take(item: T) {
    if (remove(item)) levels[item.priority - 1]!.passed += 1 / weights[item.priority]
  }

  function remove(item: T): boolean {
    const { items } = levels[item.priority - 1]!
    const place = items.indexOf(item)
    if (place < 0) return false
    items.splice(place, 1)
    if (turn === item) turn = undefined
    size--
    return true
  }

  function nextLevel(): Level<T> | undefined {
    let next: Level<T> | undefined
    for (const level of levels) {
      if (level.items.length > 0 && (next === undefined || level.passed < next.passed)) next = level
    }
    return next
  }

  return { size: () => size, push, peek, take, remove }
}
