import type { Usage } from '../types.ts'
import type { Dialect, EventClass, ProviderError } from './dialect.ts'
import type { JsonBody } from './json-request.ts'
import { SseFramer, defaultMaxEventBytes, parseEvent } from './sse.ts'

/** What a {@link StreamWatch} tells of besides the bytes. */
export interface WatchOptions {
  /** Takes usage-only events out: the caller did not ask for them. */
  readonly stripUsage: boolean
  /** How many answers the caller asked for at once: the stream is finished when all of them are. @default 1 */
  readonly choices?: number | undefined
  readonly maxEventBytes?: number
}

/** Who has a stream watched. */
export interface WatchedStream {
  /** Takes secrets out of an event that reports an error. */
  redact(event: Uint8Array): Uint8Array
  /** Hears of an event that could not be read, and was passed on as it came. */
  onMalformed(): void
}

/** Kinds that carry something of the answer, and so commit it. */
const contentKinds: ReadonlySet<EventClass['kind']> = new Set(['content', 'reasoning', 'tool', 'finish'])

/**
 * Reads a stream on its way through. Whole events go on as the bytes they came in; an event that is not whole waits, so
 * that an error can follow it cleanly. It knows whether content has come, whether the answer finished, what it used.
 */
export class StreamWatch {
  /** Whether an event with content has come. */
  committed = false
  /** Whether the answer said that it is finished, with all its choices. */
  finished = false
  /** Whether the dialect's terminal event has come. */
  done = false
  /** What the provider said was used. */
  usage: Usage | undefined
  /** Whether it said so with the end of the answer or its failure, or after: what it says before counts only as far as it had come. */
  usageIsFinal = false
  /** The error that the stream reported. */
  error: ProviderError | undefined
  /** The first event that could not be read, before any content. */
  malformed = false
  /** An event that outgrew the limit. */
  tooLarge = false
  /** Length of the answer's text so far, in bytes of UTF-8. */
  textLength = 0
  /** Events with text so far: no provider sends more of them than tokens. */
  deltas = 0

  private readonly framer = new SseFramer()
  private readonly dialect: Dialect
  private readonly watched: WatchedStream
  private readonly options: WatchOptions
  /** Bytes of a delta around its text, as the last one that was read had them. */
  private envelopeBytes = 0
  private usagePieces: JsonBody = {}
  /** Kept only where there are several. */
  private finishedChoices: Set<number> | undefined
  private out: Uint8Array[] = []

  constructor(dialect: Dialect, watched: WatchedStream, options: WatchOptions) {
    this.dialect = dialect
    this.watched = watched
    this.options = options
  }

  /** Takes a chunk and gives the bytes to hand on: often the chunk itself, sometimes none. */
  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.over) return undefined
    if (this.isOneDelta(chunk)) {
      this.countDelta(chunk)
      return chunk
    }
    let taken = 0
    const heldBefore = this.framer.heldBytes
    this.framer.push(chunk, (event) => {
      taken += event.length
      if (!this.over) this.read(event)
    })
    if (this.framer.heldBytes > (this.options.maxEventBytes ?? defaultMaxEventBytes)) this.tooLarge = true
    return this.flush(heldBefore === 0 && taken === chunk.length ? chunk : undefined)
  }

  /** Takes the end of the bytes: an event that lacks only its empty line is counted as whole. */
  end(): Uint8Array | undefined {
    const rest = this.framer.rest()
    if (rest.length === 0 || this.over) return undefined
    const { kind } = this.dialect.classifyEvent(parseEvent(rest))
    if (kind === 'malformed' || kind === 'ping') return undefined
    this.read(Buffer.concat([rest, blankLine]))
    return this.flush(undefined)
  }

  private get over(): boolean {
    return this.error !== undefined || this.tooLarge || this.malformed || this.done
  }

  /** The common case: the chunk is one delta and nothing else. */
  private isOneDelta(chunk: Uint8Array): boolean {
    return (
      this.committed &&
      this.framer.heldBytes === 0 &&
      this.dialect.isDelta(chunk) &&
      chunk.indexOf(lineFeed) === chunk.length - 2
    )
  }

  private countDelta(event: Uint8Array): void {
    this.deltas++
    this.textLength += Math.max(0, event.length - this.envelopeBytes)
  }

  private read(event: Uint8Array): void {
    if (this.committed && this.dialect.isDelta(event)) {
      this.countDelta(event)
      this.out.push(event)
      return
    }
    const read = this.dialect.classifyEvent(parseEvent(event))
    if (read.finishes) this.noteFinish(read.finishes)
    this.noteUsage(read)
    if (read.textLength) {
      this.deltas++
      this.textLength += read.textLength
    }
    if (read.kind === 'content') this.envelopeBytes = event.length - (read.textLength ?? 0)
    if (read.kind === 'done') this.done = true
    if (contentKinds.has(read.kind) || read.finishes) this.committed = true
    if (read.kind === 'malformed') this.noteMalformed()
    if (read.kind === 'error') this.error = read.error
    if (this.malformed || (read.kind === 'usage' && this.options.stripUsage)) return
    this.out.push(read.kind === 'error' ? this.watched.redact(event) : event)
  }

  private noteFinish(choices: readonly number[]): void {
    const { choices: asked = 1 } = this.options
    if (asked > 1) for (const choice of choices) (this.finishedChoices ??= new Set()).add(choice)
    this.finished = (this.finishedChoices?.size ?? 1) >= asked
  }

  private noteUsage({ kind, usage, usagePiece = {} }: EventClass): void {
    const hasPiece = Object.keys(usagePiece).length > 0
    if (!usage && !hasPiece) return
    this.usageIsFinal = this.finished || kind === 'error'
    if (usage) this.usage = usage
    if (!hasPiece) return
    this.usagePieces = { ...this.usagePieces, ...usagePiece }
    this.usage = this.dialect.joinUsage?.(this.usagePieces) ?? this.usage
  }

  private noteMalformed(): void {
    if (this.committed) this.watched.onMalformed()
    else this.malformed = true
  }

  /** The events to hand on. `whole` is the chunk they were cut from, if they are all of it: it goes on uncut. */
  private flush(whole: Uint8Array | undefined): Uint8Array | undefined {
    const out = this.out
    if (out.length === 0) return undefined
    this.out = []
    if (out.length === 1) return out[0]
    const length = out.reduce((sum, event) => sum + event.length, 0)
    return whole && whole.length === length && !this.error ? whole : Buffer.concat(out)
  }
}

const lineFeed = 0x0a
const blankLine = Buffer.from('\n\n')
