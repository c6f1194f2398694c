import type { ByteStream, Sink } from './types.ts'

/** Bytes that wait for their reader before the source is asked to hold. */
const highWaterBytes = 64 * 1024

/** How a stream talks back to its source. */
export interface Flow {
  pause(): void
  resume(): void
  /** The reader gave up. */
  cancel(reason: unknown): void
}

/**
 * A stream that a source pushes into and one reader takes from. With a sink each chunk is written as it arrives, with no
 * queue and no promise in between.
 */
export class PushStream implements ByteStream {
  private queue: Uint8Array[] = []
  private queuedBytes = 0
  private paused = false
  private draining = false
  private over = false
  private sink: Sink | undefined
  private wake: (() => void) | undefined
  private observers: ((chunk: Uint8Array) => void)[] | undefined
  private onEnds: (() => void)[] = []
  private taken = false
  // Behind it stands what knows the key of the provider: `inspect` must not find it.
  readonly #flow: Flow

  constructor(flow: Flow) {
    this.#flow = flow
  }

  /** Hands on a chunk. */
  push(chunk: Uint8Array): void {
    if (this.over) return
    if (this.observers) this.show(chunk)
    if (this.sink) return this.write(chunk)
    this.queue.push(chunk)
    this.queuedBytes += chunk.length
    if (this.queuedBytes > highWaterBytes) this.hold()
    this.rouse()
  }

  /** Says that nothing follows. */
  end(): void {
    if (this.over) return
    this.over = true
    for (const onEnd of this.onEnds) quietly(onEnd)
    this.rouse()
  }

  /** Whether the reader has fallen behind, so that the source was asked to hold. */
  get isPaused(): boolean {
    return this.paused
  }

  get isTaken(): boolean {
    return this.taken
  }

  to(sink: Sink): Promise<void> {
    return new Promise<void>((resolve) => {
      this.take()
      // By name: V8 puts a function that is written right into a property into the old space, with all that it refers to.
      const finish = () => {
        if (this.over && this.queue.length === 0) resolve()
      }
      this.wake = finish
      const waiting = this.queue
      this.queue = []
      this.queuedBytes = 0
      this.sink = sink
      const room = waiting.map((chunk) => sink.write(chunk)).every(Boolean)
      if (!room) this.awaitDrain(sink)
      else this.release()
      this.rouse()
    })
  }

  tap(observer: (chunk: Uint8Array) => void, onEnd?: () => void): void {
    this.observers = [...(this.observers ?? []), observer]
    for (const chunk of this.queue) quietly(() => observer(chunk))
    if (!onEnd) return
    if (this.over) quietly(onEnd)
    else this.onEnds.push(onEnd)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.take()
    let finished = false
    try {
      for (;;) {
        const chunk = this.queue.shift()
        if (chunk) {
          this.queuedBytes -= chunk.length
          if (this.queuedBytes === 0) this.release()
          yield chunk
        } else if (this.over) {
          finished = true
          return
        } else {
          await new Promise<void>((resolve) => (this.wake = resolve))
        }
      }
    } finally {
      if (!finished) this.#flow.cancel(new Error('the reader of a stream stopped reading'))
    }
  }

  private take(): void {
    if (this.taken) throw new TypeError('This stream has a reader already: a body can be read once')
    this.taken = true
  }

  private write(chunk: Uint8Array): void {
    if (!this.sink!.write(chunk)) this.awaitDrain(this.sink!)
  }

  private awaitDrain(sink: Sink): void {
    this.hold()
    if (this.draining) return
    this.draining = true
    sink.once('drain', () => {
      this.draining = false
      this.release()
    })
  }

  private hold(): void {
    if (this.paused) return
    this.paused = true
    this.#flow.pause()
  }

  private release(): void {
    if (!this.paused) return
    this.paused = false
    if (!this.over) this.#flow.resume()
  }

  private rouse(): void {
    this.wake?.()
  }

  private show(chunk: Uint8Array): void {
    for (const observer of this.observers!) quietly(() => observer(chunk))
  }
}

/** Runs what an observer wants. It cannot fail the stream that it observes, nor can a promise that it gives. */
export function quietly(observe: () => unknown): void {
  try {
    const given = observe()
    if (given instanceof Promise) given.catch(() => undefined)
  } catch {
    // By contract.
  }
}
