/** Something that is due at a time, until it is `done`. */
export interface Lease {
  endsAt: number
  done: boolean
}

/** The leases that are still to end, the soonest first. */
export interface Leases<T extends Lease> {
  push(lease: T): void
  /** Takes the soonest one that has ended and is not done; undefined when there is none. */
  takeEnded(now: number): T | undefined
  /** Says that one of them is done. It is let go of sooner or later. */
  markDone(lease: T): void
}

/** A binary heap. What is done stays in it until half of it is, so that being done costs nothing. */
export function createLeases<T extends Lease>(): Leases<T> {
  let heap: T[] = []
  let done = 0

  function push(lease: T) {
    heap.push(lease)
    rise(heap, heap.length - 1)
  }

  function takeEnded(now: number): T | undefined {
    for (let first = heap[0]; first !== undefined && (first.done || first.endsAt <= now); first = heap[0]) {
      removeFirst(heap)
      if (!first.done) return first
      done--
    }
    return undefined
  }

  function markDone(lease: T) {
    lease.done = true
    if (++done < 64 || done * 2 < heap.length) return
    // A sorted array is a heap.
    heap = heap.filter((other) => !other.done).toSorted((left, right) => left.endsAt - right.endsAt)
    done = 0
  }

  return { push, takeEnded, markDone }
}

function rise(heap: Lease[], start: number) {
  const lease = heap[start]!
  let index = start
  while (index > 0) {
    const above = (index - 1) >> 1
    if (heap[above]!.endsAt <= lease.endsAt) break
    heap[index] = heap[above]!
    index = above
  }
  heap[index] = lease
}

function removeFirst(heap: Lease[]) {
  const lease = heap.pop()!
  if (heap.length === 0) return
  let index = 0
  for (let below = 1; below < heap.length; below = index * 2 + 1) {
    if (below + 1 < heap.length && heap[below + 1]!.endsAt < heap[below]!.endsAt) below++
    if (heap[below]!.endsAt >= lease.endsAt) break
    heap[index] = heap[below]!
    index = below
  }
  heap[index] = lease
}
