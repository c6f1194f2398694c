import type { Dispatcher } from 'undici'
import type { Clock, Timer } from '../clock.ts'
import type { ProviderError } from '../dialects/dialect.ts'
import { JsonRequest } from '../dialects/json-request.ts'
import { StreamWatch, type WatchedStream } from '../dialects/watch.ts'
import type { Billed, SignalboxError } from '../errors.ts'
import { bytesOf, plainReply, streamReply } from '../reply.ts'
import { redactBytes } from './secrets.ts'
import { endOf } from '../sleep.ts'
import type { Attempt, Ended, Reply } from '../types.ts'
import { endedReusedConnection } from './connections.ts'
import { CommittedStream, type StreamSource } from './committed-stream.ts'
import { type Decoder, createDecoder } from './decode.ts'
import type { ExchangeOptions, Outgoing, UpstreamHeaders } from './exchange-options.ts'
import { failureOfConnection, failureOfKey, failureOfTime, unusableAnswer } from './failure.ts'
import { passedHeaders } from './passed-headers.ts'
import { type RefusalParts, refusalError } from './refusal.ts'
import { billedFor } from './usage.ts'

/** What an exchange sends before it knows. */
const nothingYet: Outgoing = Object.freeze({ headers: {}, secrets: [] })

/** Bytes of an error answer that are read at the most. */
const maxErrorBytes = 256 * 1024

/**
 * Sends one attempt and brings back its reply.
 *
 * @throws SignalboxError for everything that goes wrong before the commit point.
 */
export function exchange(attempt: Attempt, options: ExchangeOptions): Promise<Reply> {
  return new Promise((resolve, reject) => new Exchange(attempt, options, { resolve, reject }).start())
}

interface Outcome {
  resolve(reply: Reply): void
  reject(error: SignalboxError): void
}

type Phase = 'waiting' | 'refusal' | 'plain' | 'opening' | 'streaming' | 'over'

class Exchange implements Dispatcher.DispatchHandler, StreamSource, WatchedStream {
  private phase: Phase = 'waiting'
  private readonly attempt: Attempt
  private readonly options: ExchangeOptions
  private readonly outcome: Outcome
  private readonly clock: Clock
  private outgoing: Outgoing = nothingYet
  private controller: Dispatcher.DispatchController | undefined
  private timer: Timer | undefined
  private answered = false
  private sent = false
  private resent = false
  private status = 0
  private headers: UpstreamHeaders = nothingYet.headers
  private parts: Uint8Array[] = []
  private bytes = 0
  private decoder: Decoder | undefined
  private watch!: StreamWatch
  private stream!: CommittedStream
  private sentMs = 0

  constructor(attempt: Attempt, options: ExchangeOptions, outcome: Outcome) {
    this.attempt = attempt
    this.options = options
    this.outcome = outcome
    this.clock = options.clock
  }

  start(): void {
    const { attempt } = this
    if (attempt.signal.aborted) return this.leave()
    attempt.signal.addEventListener('abort', this.leave)
    this.arm(attempt.deadline)
    try {
      const outgoing = this.options.headers(attempt)
      if (outgoing instanceof Promise)
        outgoing.then(
          (ready) => this.send(ready),
          (error: unknown) => this.fail(failureOfKey(error, this.model)),
        )
      else this.send(outgoing)
    } catch (error) {
      this.fail(failureOfKey(error, this.model))
    }
  }

  private send(outgoing: Outgoing): void {
    if (this.phase === 'over') return
    this.outgoing = outgoing
    this.dispatch(this.options.dispatcher())
  }

  private dispatch(dispatcher: Dispatcher): void {
    const { attempt } = this
    const { dialect, origin, path } = this.options
    this.sentMs = this.clock.now()
    try {
      const body = dialect.patch(attempt.call.request, attempt.candidate)
      dispatcher.dispatch({ origin, path, method: 'POST', headers: this.outgoing.headers, body }, this)
    } catch (error) {
      this.fail(failureOfConnection(error, false, this.model))
    }
  }

  private get model(): string {
    return this.attempt.candidate.name
  }

  // What undici tells.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.phase === 'over') controller.abort(aborted)
  }

  onRequestSent(): void {
    this.sent = true
  }

  onResponseStarted(): void {
    this.answered = true
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: typeof this.headers): void {
    if (status < 200 || this.phase === 'over') return
    this.answered = true
    this.status = status
    this.headers = headers
    this.options.onHeaders(headers, this.sentMs)
    this.phase = this.opening()
    const encoding = headers['content-encoding']
    if (this.phase !== 'over' && encoding !== undefined && encoding !== 'identity') this.unpack(String(encoding))
  }

  private unpack(encoding: string): void {
    // A stream may be as long as it likes, packed or not: what is kept of it is counted where it is kept.
    const mostBytes = this.phase === 'opening' ? Infinity : this.options.maxResponseBytes
    this.decoder = createDecoder(encoding, mostBytes, {
      onData: (chunk) => this.take(chunk),
      onEnd: (broken) => (broken ? this.breakOff(broken) : this.finishBody()),
      onError: (reason, cause) => this.breakDown(this.bad(reason, cause)),
    })
    if (!this.decoder) this.fail(this.bad('content_encoding'))
  }

  private opening(): Phase {
    if (this.status !== 200) {
      if (this.status < 300) this.fail(this.bad(this.status === 204 ? 'empty' : 'status'))
      else if (this.status < 400) this.fail(this.bad('redirect'))
      return this.phase === 'over' ? 'over' : 'refusal'
    }
    const type = String(this.headers['content-type'] ?? '')
    const isStream = /^text\/event-stream\b/i.test(type)
    if (isStream && this.attempt.call.request.parameters.stream) {
      this.openStream()
      return 'opening'
    }
    return 'plain'
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.phase === 'over') return
    if (this.decoder) this.decoder.write(chunk)
    else this.take(chunk)
  }

  onResponseEnd(): void {
    if (this.phase === 'over') this.clock.clearTimeout(this.timer)
    else if (this.decoder) this.decoder.end()
    else this.finishBody()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.phase === 'over') return this.clock.clearTimeout(this.timer)
    if (this.decoder) this.decoder.end(error)
    else this.breakOff(error)
  }

  private breakOff(error: Error): void {
    const isEarly = this.clock.now() - this.sentMs < agedShowsMs
    if (isEarly && !this.answered && !this.resent && this.options.fresh && endedReusedConnection(error))
      return this.resend(this.options.fresh())
    this.breakDown(failureOfConnection(error, this.answered, this.model))
  }

  /** A connection that had aged is no fault of the provider's: the request goes out once more on a new one. */
  private resend(dispatcher: Dispatcher): void {
    this.resent = true
    this.controller = undefined
    this.dispatch(dispatcher)
    dispatcher.close().catch(() => undefined)
  }

  // The body.

  private take(chunk: Uint8Array): void {
    if (this.phase === 'streaming') return this.stream.take(chunk)
    if (this.phase === 'opening') return this.takeOpening(this.watch.push(chunk))
    this.bytes += chunk.length
    if (this.phase === 'refusal' && this.bytes > maxErrorBytes) return this.refuse()
    if (this.bytes > this.options.maxResponseBytes) return this.fail(this.bad('too_large'))
    this.parts.push(chunk)
  }

  private finishBody(): void {
    if (this.phase === 'refusal') this.refuse()
    else if (this.phase === 'plain') this.answer()
    else if (this.phase === 'opening') this.takeOpening(this.watch.end(), true)
    if (this.phase === 'streaming') this.stream.finish()
  }

  private refuse(error?: ProviderError): void {
    this.fail(this.refusal(this.status, { body: bytesOf(this.parts), ...(error && { error }) }))
  }

  /** What the provider said that refused: in a body, or in an event of a stream. */
  private refusal(status: number, said: Pick<RefusalParts, 'body' | 'error'>): SignalboxError {
    const { clock, events, dialect } = this.options
    const { headers, model } = this
    return refusalError({ status, headers, dialect, secrets: this.outgoing.secrets, model, clock, events, ...said })
  }

  private answer(): void {
    const body = bytesOf(this.parts)
    const { attempt } = this
    const { dialect } = this.options
    const read = dialect.classifyAnswer(body)
    if (read.error) return this.refuse(read.error)
    const fault = read.fault ? this.faultOf(read.fault) : attempt.call.request.parameters.stream && 'content_type'
    const { request } = attempt.call
    const billed = (textBytes: number) => billedFor(read.usage, request, { seen: { textBytes }, whole: true })
    if (fault) return this.fail(this.bad(fault), billed(0))
    this.close()
    const ended = (): Ended => ({ how: 'complete', ...billed(read.textLength ?? 0) })
    this.outcome.resolve(
      plainReply({
        status: 200,
        headers: passedHeaders(this.headers),
        dialect: dialect.name,
        model: this.model,
        body,
        ended,
      }),
    )
  }

  private faultOf(fault: string): string {
    const type = this.headers['content-type']
    return fault === 'parse' && type !== undefined && !/json/i.test(String(type)) ? 'content_type' : fault
  }

  // The stream.

  private openStream(): void {
    const { request } = this.attempt.call
    const { dialect } = this.options
    this.watch = new StreamWatch(dialect, this, {
      stripUsage: !dialect.wantsUsage(request),
      choices: request.parameters.choices,
    })
  }

  redact(event: Uint8Array): Uint8Array {
    return redactBytes(event, this.outgoing.secrets)
  }

  onMalformed(): void {
    this.options.events.emit('warning', {
      kind: 'malformed_event',
      model: this.model,
      callId: this.attempt.call.id,
      message: 'An event of a stream could not be read and was passed on as it came',
    })
  }

  /** Holds events back until one has content: until then another model may still answer. */
  private takeOpening(events: Uint8Array | undefined, ended = false): void {
    const { watch } = this
    if (events) {
      this.parts.push(events)
      this.bytes += events.length
    }
    if (watch.committed) return this.commit()
    if (watch.error)
      return this.fail(
        this.refusal(200, { body: undefined, error: watch.error }),
        watch.usageIsFinal ? this.seenSoFar() : undefined,
      )
    if (watch.malformed) return this.fail(this.bad('parse'))
    if (watch.tooLarge || this.bytes > this.options.maxResponseBytes) return this.fail(this.bad('too_large'))
    if (ended) this.fail(this.bad('empty'))
  }

  private commit(): void {
    const { attempt, watch, clock } = this
    const { dialect } = this.options
    this.phase = 'streaming'
    clock.clearTimeout(this.timer)
    const stream = new CommittedStream({ attempt, dialect, clock, watch, source: this })
    this.stream = stream
    const { body, ended } = stream
    const head = { status: 200, headers: passedHeaders(this.headers), dialect: dialect.name, model: this.model }
    const held = this.parts
    this.outcome.resolve(streamReply({ ...head, body, ended, cancel: () => stream.cancel() }))
    this.parts = []
    this.timer = undefined
    this.headers = nothingYet.headers
    if (attempt.call.request instanceof JsonRequest) attempt.call.request.forget()
    stream.begin(held)
  }

  // What a committed stream asks of its source.

  pause(): void {
    this.controller?.pause()
  }

  resume(): void {
    this.controller?.resume()
  }

  /** A provider that has said all it has to say gets a moment to end the request itself, so that the connection lives on. */
  streamIsOver(complete: boolean): void {
    this.close(!complete)
    if (!complete) return
    this.timer = this.clock.setTimeout(() => this.controller?.abort(aborted), lingerMs)
    // One that is held for a reader who is behind would never say that it has ended.
    this.resume()
  }

  // Time, and leaving.

  private arm(atMs: number): void {
    if (atMs === Infinity) return
    this.timer = this.clock.setTimeout(this.onTimer, Math.max(0, atMs - this.clock.now()))
  }

  private readonly onTimer = () => {
    const now = this.clock.now()
    const { deadline } = this.attempt
    if (now < deadline) this.arm(deadline)
    else this.breakDown(failureOfTime(now >= this.attempt.call.deadline, this.model))
  }

  private readonly leave = () => {
    if (this.phase === 'over') return
    const reason = endOf(this.attempt.signal)
    if (this.phase !== 'streaming') this.fail(reason)
    else if (reason.code === 'cancelled') this.stream.cancel()
    else this.stream.cut(reason.message)
  }

  private bad(reason: string, cause?: unknown): SignalboxError {
    return unusableAnswer({ reason, cause, status: this.status, model: this.model })
  }

  /** Ends what breaks off. A refusal is one as soon as its head has come, whatever becomes of its body. */
  private breakDown(error: SignalboxError): void {
    if (this.phase === 'streaming') this.stream.cut()
    else if (this.phase === 'refusal') this.refuse()
    else this.fail(error)
  }

  private fail(error: SignalboxError, billed?: Billed): void {
    if (this.phase === 'over') return
    const used = billed ?? (this.sent && error.status === undefined ? this.seenSoFar() : undefined)
    if (used) error.billed ??= used
    this.close(true)
    this.outcome.reject(error)
  }

  /** What a provider may bill for an attempt that was sent and gave no answer. */
  private seenSoFar(): Billed {
    const { request } = this.attempt.call
    if (this.phase !== 'opening')
      return billedFor(undefined, request, { seen: { textBytes: this.bytes }, whole: false })
    const { usage, usageIsFinal, textLength, deltas } = this.watch
    return billedFor(usage, request, { seen: { textBytes: textLength, deltas }, whole: usageIsFinal })
  }

  private close(abort = false): void {
    this.phase = 'over'
    this.clock.clearTimeout(this.timer)
    this.attempt.signal.removeEventListener('abort', this.leave)
    this.decoder?.destroy()
    this.parts = []
    if (abort) this.controller?.abort(aborted)
  }
}

/** Ready made, because making an error costs far more than aborting with one. */
const aborted = new Error('Signalbox gave this exchange up')

/** A connection that had aged breaks as soon as something is sent on it; later, the provider may have worked on the request. */
const agedShowsMs = 2_000

/** How long a provider may keep a request open after the last word of its stream. */
const lingerMs = 1_000
