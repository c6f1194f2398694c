import type { Clock, Timer } from '../clock.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { StreamWatch } from '../dialects/watch.ts'
import { type Flow, PushStream } from '../stream.ts'
import type { Attempt, Ended } from '../types.ts'
import { type StreamFailure, failureOfStream } from './failure.ts'
import { billedFor } from './usage.ts'

/** Where the bytes of a committed stream come from. */
export interface StreamSource {
  /** Asks the provider to hold, and to go on. */
  pause(): void
  resume(): void
  /** The stream is over: completely, or in a way that leaves the provider to be aborted. */
  streamIsOver(complete: boolean): void
}

/** What a committed stream works with. */
export interface StreamParts {
  readonly attempt: Attempt
  readonly dialect: Dialect
  readonly watch: StreamWatch
  readonly clock: Clock
  readonly source: StreamSource
}

/**
 * A stream after its commit point: nothing can fall over any more. Whatever happens, the reader gets whole events, then
 * either the dialect's terminal event or an error event, and the end.
 */
export class CommittedStream implements Flow {
  readonly body: PushStream
  readonly ended: Promise<Ended>
  private readonly parts: StreamParts
  private settle!: (ended: Ended) => void
  private timer: Timer | undefined
  private lastByteMs: number
  private heldSinceMs = 0
  private over = false

  constructor(parts: StreamParts) {
    this.parts = parts
    this.lastByteMs = parts.clock.now()
    this.ended = new Promise((settle) => (this.settle = settle))
    this.body = new PushStream(this)
  }

  // What the reader asks for.

  pause(): void {
    this.heldSinceMs = this.parts.clock.now()
    this.parts.source.pause()
  }

  resume(): void {
    this.lastByteMs = this.parts.clock.now()
    this.parts.source.resume()
  }

  /** The reader has gone. */
  cancel(): void {
    this.end('cancelled')
  }

  // What the provider sends.

  /** Hands on the events that were held back until the commit point. */
  begin(events: readonly Uint8Array[]): void {
    this.arm(this.dueMs())
    for (const event of events) this.body.push(event)
    this.afterEvents()
  }

  /** Takes bytes of the provider's. */
  take(chunk: Uint8Array): void {
    this.lastByteMs = this.parts.clock.now()
    this.pass(this.parts.watch.push(chunk))
  }

  /** The provider has ended the stream. */
  finish(): void {
    if (this.over) return
    this.pass(this.parts.watch.end())
    if (this.over) return
    if (this.parts.watch.finished) this.complete()
    else this.breakOff('stream_truncated', 'cut')
  }

  /** The stream can't go on. @param why @default the provider broke it off */
  cut(why?: string): void {
    this.breakOff('stream_interrupted', 'cut', why)
  }

  private pass(events: Uint8Array | undefined): void {
    if (events) this.body.push(events)
    this.afterEvents()
  }

  private afterEvents(): void {
    const { watch } = this.parts
    if (watch.error) this.end('cut')
    else if (watch.tooLarge) this.cut()
    else if (watch.done) this.end('complete')
  }

  private complete(): void {
    const { dialect, watch } = this.parts
    if (dialect.terminator && !watch.done) this.body.push(dialect.terminator)
    this.end('complete')
  }

  private breakOff(code: StreamFailure, how: Ended['how'], why?: string): void {
    if (this.over) return
    const { watch, dialect, attempt } = this.parts
    if (watch.finished && code !== 'deadline_exceeded') return this.complete()
    const message = how === 'cancelled' ? readerGone : why
    this.body.push(dialect.errorEvent(failureOfStream(code, attempt.candidate.name, { message })))
    this.end(how)
  }

  private end(how: Ended['how']): void {
    if (this.over) return
    this.over = true
    const { watch, attempt, clock, source } = this.parts
    clock.clearTimeout(this.timer)
    const seen = { textBytes: watch.textLength, deltas: watch.deltas }
    const billed = billedFor(watch.usage, attempt.call.request, { seen, whole: watch.usageIsFinal })
    source.streamIsOver(how === 'complete')
    this.body.end()
    this.settle({ how, ...billed })
  }

  private dueMs(): number {
    const { attempt } = this.parts
    const since = this.body.isPaused ? this.heldSinceMs : this.lastByteMs
    return Math.min(since + attempt.stallMs, attempt.call.deadline)
  }

  private arm(atMs: number): void {
    const { clock } = this.parts
    if (atMs !== Infinity) this.timer = clock.setTimeout(this.onTimer, Math.max(0, atMs - clock.now()))
  }

  /** Bytes only note when they came; the timer sets itself anew when it fires too soon. */
  private readonly onTimer = () => {
    const now = this.parts.clock.now()
    const due = this.dueMs()
    if (now < due) return this.arm(due)
    if (now >= this.parts.attempt.call.deadline) return this.breakOff('deadline_exceeded', 'cut')
    this.breakOff('stream_timeout', this.body.isPaused ? 'cancelled' : 'stalled')
  }
}

/** What a reader finds who fell behind for too long and then comes back. */
const readerGone = 'The stream was not read for too long'
