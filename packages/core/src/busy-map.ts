/** Fewer than this many that went are no reason to copy what is left. */
const leastDeleted = 32

/**
 * A map that things go into and out of all the time. It moves to a new `Map` when a third of what it held is gone, before
 * V8 makes a new table of the same one: those point to one another, so that one which has got into the old space keeps
 * all that came after it until a full collection.
 */
export class BusyMap<K, V> {
  private entries = new Map<K, V>()
  private deleted = 0

  get size(): number {
    return this.entries.size
  }

  has(key: K): boolean {
    return this.entries.has(key)
  }

  get(key: K): V | undefined {
    return this.entries.get(key)
  }

  set(key: K, value: V): void {
    this.entries.set(key, value)
  }

  delete(key: K): boolean {
    if (!this.entries.delete(key)) return false
    this.deleted++
    if (this.deleted >= leastDeleted && this.deleted * 2 > this.entries.size) {
      this.entries = new Map(this.entries)
      this.deleted = 0
    }
    return true
  }

  clear(): void {
    this.entries = new Map()
    this.deleted = 0
  }
}
