/** What the heap keeps: `run` is undefined once the timer has run or was cleared. */
export interface HeapTimer {
  readonly dueAt: number
  readonly createdAt: number
  readonly sequence: number
  run: (() => void) | undefined
}

export interface TimerHeap {
  add(timer: HeapTimer): void
  /** The live timer that is due first; of two due together, the one added first. */
  first(): HeapTimer | undefined
  removeFirst(): void
  clear(timer: HeapTimer): void
  /** How many live timers there are. */
  size(): number
}

/**
 * A binary heap of timers. A cleared timer stays until it comes to the top, or until cleared ones are the
 * majority: then the heap is rebuilt, so that setting and clearing a timer costs O(log n) and no memory stays.
 */
export function createTimerHeap(): TimerHeap {
  let timers: HeapTimer[] = []
  let live = 0

  return {
    add(timer) {
      timers.push(timer)
      live += 1
      moveUp(timers, timers.length - 1)
    },
    first() {
      while (timers.length > 0 && !timers[0]!.run) removeTop(timers)
      return timers[0]
    },
    removeFirst() {
      if (timers.length === 0) return
      removeTop(timers)
      live -= 1
    },
    clear(timer) {
      if (!timer.run) return
      timer.run = undefined
      live -= 1
      if (timers.length > 64 && live < timers.length / 2) rebuild()
    },
    size: () => live,
  }

  function rebuild() {
    timers = timers.filter((timer) => timer.run)
    for (let index = (timers.length >> 1) - 1; index >= 0; index -= 1) moveDown(timers, index)
  }
}

function isBefore(left: HeapTimer, right: HeapTimer): boolean {
  return left.dueAt < right.dueAt || (left.dueAt === right.dueAt && left.sequence < right.sequence)
}

function removeTop(timers: HeapTimer[]) {
  const last = timers.pop()!
  if (timers.length === 0) return
  timers[0] = last
  moveDown(timers, 0)
}

function moveUp(timers: HeapTimer[], start: number) {
  const timer = timers[start]!
  let index = start
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!isBefore(timer, timers[parent]!)) break
    timers[index] = timers[parent]!
    index = parent
  }
  timers[index] = timer
}

function moveDown(timers: HeapTimer[], start: number) {
  const timer = timers[start]!
  let index = start
  for (;;) {
    let child = index * 2 + 1
    if (child >= timers.length) break
    if (child + 1 < timers.length && isBefore(timers[child + 1]!, timers[child]!)) child += 1
    if (!isBefore(timers[child]!, timer)) break
    timers[index] = timers[child]!
    index = child
  }
  timers[index] = timer
}
