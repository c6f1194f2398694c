/** What may stand in a {@link Roster}, in one at a time. */
export interface Listed {
  /** Where it stands; negative outside of any. The roster's to write. */
  place: number
}

/**
 * Things that come and go all the time, in no order. It is no `Set`, of which V8 makes a new table whenever as much was
 * taken out as is left in: each old table points to the next one, so that one that has got into the old space keeps all
 * that was ever added after it until a full collection, where a scavenge would have done.
 */
export class Roster<T extends Listed> implements Iterable<T> {
  private readonly listed: T[] = []

  get size(): number {
    return this.listed.length
  }

  add(one: T): void {
    one.place = this.listed.push(one) - 1
  }

  /** False where it does not stand here any more. */
  delete(one: T): boolean {
    const { place } = one
    if (this.listed[place] !== one) return false
    const last = this.listed.pop()!
    if (last !== one) {
      this.listed[place] = last
      last.place = place
    }
    one.place = -1
    return true
  }

  /** All that stand here now, whatever comes or goes meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return [...this.listed].values()
  }
}
