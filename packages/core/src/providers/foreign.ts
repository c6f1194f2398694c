import type { Clock } from '../clock.ts'
import { dialects } from '../dialects/index.ts'
import { isCount, isCounted, tokenClasses } from '../dialects/usage.ts'
import { StreamWatch } from '../dialects/watch.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import { HeldStream } from '../held-stream.ts'
import { faultOfReply } from '../hooks/hook-checks.ts'
import type { Bounded, Overdue } from '../hooks/overdue.ts'
import { completeWithoutUsage } from '../reply.ts'
import { endOf } from '../sleep.ts'
import { quietly } from '../stream.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Attempt, ByteStream, Ended, Handler, Reply, Request, Usage } from '../types.ts'
import { failureOfStream, failureOfTime } from './failure.ts'
import { billedFor, estimateUsage } from './usage.ts'

/** What an attempt at a foreign provider is bounded by. */
export interface Bounds {
  readonly clock: Clock
  readonly overdue: Overdue
}

/**
 * Holds a provider that is not of this package to what is promised of every other: an answer comes in time or not at all,
 * a stream that falls silent is cut, and how it ended is told without fail, and in counts. What it used and does not say
 * is estimated: it is charged, and never as nothing. At what is late the signal that it was given is aborted.
 */
export function heldToPromise(send: Handler<Attempt>, bounds: Bounds): Handler<Attempt> {
  return (attempt) => new ForeignAttempt(attempt, bounds).answerOf(send)
}

/** How long after its end an `ended` may still settle, in milliseconds. */
const graceMs = 1_000

class ForeignAttempt implements Bounded {
  place = -1
  readonly isStuck = true
  private readonly attempt: Attempt
  private readonly bounds: Bounds
  private readonly end = new AbortController()
  private refuse!: (error: unknown) => void
  private reply: Reply | undefined
  private stream: HeldStream | undefined
  /** Of the stream, so far. */
  private bytes = 0
  /** Whether the stream came to its end by itself. */
  private isWhole = false
  /** Reads a stream whose maker says nothing of its end. */
  private watch: StreamWatch | undefined
  private waitingSinceMs = Infinity
  private isEnded = false
  private settle!: (ended: Ended) => void
  private givenUp: { readonly how: Ended['how']; readonly settlesBy: number } | undefined

  constructor(attempt: Attempt, bounds: Bounds) {
    this.attempt = attempt
    this.bounds = bounds
  }

  get deadline(): number {
    const { attempt, givenUp } = this
    if (!this.reply) return attempt.deadline
    return givenUp?.settlesBy ?? Math.min(attempt.call.deadline, this.waitingSinceMs + attempt.stallMs)
  }

  answerOf(send: Handler<Attempt>): Promise<Reply> {
    const { attempt, bounds, end } = this
    if (attempt.signal.aborted) return Promise.reject(endOf(attempt.signal))
    const sent = async () => send({ ...attempt, signal: end.signal })
    return new Promise((resolve, reject) => {
      this.refuse = (error) => {
        this.forget()
        reject(error)
      }
      bounds.overdue.add(this)
      attempt.signal.addEventListener('abort', this.leave)
      sent()
        .then((reply) => (end.signal.aborted ? discard(reply) : resolve(this.held(this.checked(reply)))))
        .catch((error: unknown) => this.failed(error))
    })
  }

  giveUp(): void {
    const { attempt, bounds, end, reply, givenUp } = this
    const model = attempt.candidate.name
    const isOfCall = bounds.clock.now() >= attempt.call.deadline
    if (givenUp) return this.endAs(givenUp.how)
    if (reply) {
      if (isOfCall) this.cut('cut', failureOfStream('deadline_exceeded', model))
      else this.cut('stalled', failureOfStream('stream_timeout', model))
      return
    }
    const error = failureOfTime(isOfCall, model)
    this.refuse(this.billed(error))
    end.abort(error)
  }

  /** The caller leaves, or the router ends the call. A provider that hears of it has a turn to say what it used. */
  private readonly leave = () => {
    const { end, reply } = this
    const { signal } = this.attempt
    const error = endOf(signal)
    if (!reply) {
      end.abort(signal.reason)
      setImmediate(() => this.refuse(this.billed(error)))
    } else if (error.code === 'cancelled') {
      this.cancel(signal.reason)
    } else {
      this.cut('cut', error)
      setImmediate(() => this.endAs('cut'))
    }
  }

  private failed(error: unknown): void {
    const { signal } = this.attempt
    const isOwnWord = isSignalboxError(error) && error !== signal.reason
    if (isOwnWord || !signal.aborted) this.refuse(error)
  }

  private billed(error: SignalboxError): SignalboxError {
    error.billed ??= { usage: estimateUsage(this.attempt.call.request, { textBytes: 0 }), estimated: true }
    return error
  }

  private checked(reply: Reply): Reply {
    const { call, candidate } = this.attempt
    const fault = faultOfReply(reply, call.dialect)
    if (fault === undefined) return reply
    discard(reply)
    const message = `The provider "${candidate.provider}" gave no reply: ${fault}`
    throw this.billed(new SignalboxError('bad_upstream_response', message, { model: candidate.name }))
  }

  private held(reply: Reply): Reply {
    const { body } = reply
    this.reply = reply
    if (!(body instanceof Uint8Array)) this.stream = this.watched(body)
    const ended = new Promise<Ended>((settle) => (this.settle = settle))
    Promise.resolve(reply.ended)
      .then((told) => {
        if (told === completeWithoutUsage && this.stream) this.read(reply)
        else this.endWith(counted(told, this.attempt.call.request, reply))
      })
      .catch(() => this.endAs(this.givenUp?.how ?? 'cut'))
    return { ...reply, ...(this.stream && { body: this.stream }), ended, cancel: (reason) => this.cancel(reason) }
  }

  /** Of a stream whose maker says nothing of its end it is told here: by what came of it. */
  private read({ body, dialect }: Reply): void {
    const { choices } = this.attempt.call.request.parameters
    const watch = new StreamWatch(dialects[dialect], unwatched, { stripUsage: false, choices })
    this.watch = watch
    quietly(() => (body as ByteStream).tap((chunk) => void watch.push(chunk)))
    this.endOfRead()
  }

  private endOfRead(): void {
    const { watch, attempt, bytes } = this
    if (!watch || this.stream?.isOver !== true || this.isEnded) return
    const seen = { textBytes: watch.committed ? watch.textLength : bytes, deltas: watch.deltas }
    const billed = billedFor(watch.usage, attempt.call.request, { seen, whole: watch.usageIsFinal })
    this.endWith({ how: this.givenUp?.how ?? (this.isWhole ? 'complete' : 'cut'), ...billed })
  }

  private watched(body: ByteStream): HeldStream {
    const { attempt, bounds } = this
    const count = (chunk: Uint8Array) => void (this.bytes += chunk.length)
    quietly(() => body.tap(count, () => void (this.isWhole = true)))
    return new HeldStream(body, {
      blame: (cause) => failureOfStream('stream_interrupted', attempt.candidate.name, { cause }),
      onChange: () => {
        const isWaiting = this.stream?.isWaiting === true
        this.waitingSinceMs = isWaiting ? bounds.clock.now() : Infinity
        if (isWaiting) bounds.overdue.hasten(this)
        this.endOfRead()
        this.forgetIfOver()
      },
    })
  }

  private cancel(reason: unknown): void {
    this.letGo('cancelled', reason)
    this.stream?.stop()
  }

  private cut(how: Ended['how'], error: SignalboxError): void {
    this.letGo(how, error)
    this.stream?.cut(error)
  }

  private letGo(how: Ended['how'], reason: unknown): void {
    const { bounds, end, reply } = this
    this.givenUp ??= { how, settlesBy: bounds.clock.now() + graceMs }
    if (!this.isEnded) bounds.overdue.hasten(this)
    quietly(() => reply!.cancel(reason))
    end.abort(reason)
  }

  private endAs(how: Ended['how']): void {
    const usage = estimate(this.attempt.call.request, this.reply!, this.bytes)
    this.endWith({ how, usage, estimated: true })
  }

  private endWith(ended: Ended): void {
    this.settle(ended)
    this.isEnded = true
    this.forgetIfOver()
  }

  private forgetIfOver(): void {
    if (this.isEnded && this.stream?.isOver !== false) this.forget()
  }

  private forget(): void {
    this.bounds.overdue.delete(this)
    this.attempt.signal.removeEventListener('abort', this.leave)
  }
}

/** Nobody waits for this any more. */
function discard(reply: Reply): void {
  quietly(() => reply.cancel())
  quietly(() => reply.ended)
}

function counted(told: Ended | undefined, request: Request, reply: Reply): Ended {
  const { usage } = (told ?? {}) as Partial<Ended>
  const saysNothing = told === completeWithoutUsage
  if (told && isCounted(usage) && !saysNothing) return told
  const estimated = estimate(request, reply)
  if (saysNothing) return { how: 'complete', usage: estimated, estimated: true }
  const read = tokenClasses.map((name) => [name, isCount(usage?.[name]) ? usage[name] : estimated[name]] as const)
  const faults = [...(usage?.faults ?? []), 'not_a_count'] as const
  return { how: told?.how ?? 'complete', usage: { ...estimated, ...Object.fromEntries(read), faults }, estimated: true }
}

/** A stream has used what it was allowed to, where that is known: its maker may have more to say of it than came. */
const estimate = (request: Request, { body }: Reply, streamedBytes = 0): Usage =>
  estimateUsage(request, {
    textBytes: body instanceof Uint8Array ? body.length : streamedBytes,
    deltas: body instanceof Uint8Array ? 0 : tokensOf(request).outputTokens,
  })

/** Nothing of the stream is changed, nor told of. */
const unwatched = { redact: (event: Uint8Array) => event, onMalformed: () => undefined }
