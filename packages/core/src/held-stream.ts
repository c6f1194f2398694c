import { type SignalboxError, isSignalboxError } from './errors.ts'
import { came } from './hooks/hook-checks.ts'
import { quietly } from './stream.ts'
import type { ByteStream, Sink } from './types.ts'

const nothing = () => undefined
/** What ends a stream that nobody reads on. */
const stopped = Symbol('stopped')

/** What is to be known of a stream that somebody else made. */
export interface HeldStreamOptions {
  /** The error for what was thrown in it. */
  blame(cause: unknown): SignalboxError
  /** Hears that `isWaiting` or `isOver` may be another. */
  onChange?(): void
}

/**
 * A stream that somebody else made: what it throws names its maker, it is let go of when nobody reads on, and it can be
 * cut, whatever it waits for.
 */
export class HeldStream implements ByteStream {
  /** Whether its maker owes the reader a chunk. */
  isWaiting = false
  /** Whether nothing follows: its end was read, it broke, or nobody reads on. */
  isOver = false
  private readonly body: ByteStream
  private readonly options: HeldStreamOptions
  private running: AsyncGenerator<Uint8Array, void, undefined> | undefined
  private wake: (() => void) | undefined
  private breakOff: ((why: unknown) => void) | undefined
  private endedBy: SignalboxError | typeof stopped | undefined

  constructor(body: ByteStream, options: HeldStreamOptions) {
    this.body = body
    this.options = options
    const end = () => this.change(false, true)
    quietly(() => body.tap(nothing, end))
  }

  get isTaken(): boolean {
    return this.running !== undefined || this.body.isTaken === true
  }

  tap(observer: (chunk: Uint8Array) => void, onEnd?: () => void): void {
    this.body.tap(observer, onEnd)
  }

  async to(sink: Sink): Promise<void> {
    for await (const chunk of this) {
      if (sink.write(chunk)) continue
      await new Promise<void>((resolve) => {
        this.wake = resolve
        sink.once('drain', resolve)
      })
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.isTaken) throw new TypeError('This stream has a reader already: a body can be read once')
    return (this.running = this.chunks())
  }

  /** Nobody reads on: what its maker holds open in it is let go of. */
  stop(): void {
    this.running?.return(undefined).catch(() => undefined)
    this.endBy(stopped)
  }

  /** Ends it for its reader. */
  cut(error: SignalboxError): void {
    this.endBy(error)
  }

  private endBy(why: SignalboxError | typeof stopped): void {
    this.endedBy ??= why
    this.change(false, true)
    this.breakOff?.(why)
    this.wake?.()
  }

  private async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    let chunks: AsyncIterator<Uint8Array> | undefined
    let isBroken = false
    try {
      for (;;) {
        const { done, value } = await this.next((chunks ??= this.body[Symbol.asyncIterator]()))
        if (done) {
          chunks = undefined
          return
        }
        if (!(value instanceof Uint8Array)) throw new TypeError(`a stream is made of bytes, got ${came(value)}`)
        yield value
      }
    } catch (error) {
      isBroken = error === this.endedBy
      if (error === stopped) return
      throw isSignalboxError(error) ? error : this.options.blame(error)
    } finally {
      this.change(false, true)
      const closed = close(chunks)
      // One that was ended while its reader waited may never come to its own end.
      if (!isBroken) await closed
    }
  }

  private next(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array, unknown>> {
    return new Promise((resolve, reject) => {
      if (this.endedBy !== undefined) return reject(this.endedBy)
      const over = <Value>(give: (value: Value) => void) => {
        return (value: Value) => {
          this.change(false)
          give(value)
        }
      }
      this.breakOff = reject
      this.change(true)
      Promise.resolve(chunks.next()).then(over(resolve), over(reject))
    })
  }

  private change(isWaiting: boolean, isOver = this.isOver): void {
    this.isWaiting = isWaiting && !isOver
    this.isOver = isOver
    this.options.onChange?.()
  }
}

async function close(chunks: AsyncIterator<Uint8Array> | undefined): Promise<void> {
  try {
    await chunks?.return?.()
  } catch {
    // Nobody reads on.
  }
}
