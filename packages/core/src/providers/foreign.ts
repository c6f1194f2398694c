import type { Clock } from '../clock.ts'
import { isCount, isCounted, tokenClasses } from '../dialects/usage.ts'
import type { SignalboxError } from '../errors.ts'
import { HeldStream } from '../held-stream.ts'
import type { Bounded, Overdue } from '../overdue.ts'
import { quietly } from '../stream.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Attempt, ByteStream, Ended, Handler, Reply, Request, Usage } from '../types.ts'
import { failureOfStream, failureOfTime } from './failure.ts'
import { estimateUsage } from './usage.ts'

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
  private refuse!: (error: SignalboxError) => void
  private reply: Reply | undefined
  private stream: HeldStream | undefined
  private waitingSinceMs = Infinity
  private isEnded = false
  private settle!: (ended: Ended) => void
  private cut: { readonly how: Ended['how']; readonly settlesBy: number } | undefined

  constructor(attempt: Attempt, bounds: Bounds) {
    this.attempt = attempt
    this.bounds = bounds
  }

  get deadline(): number {
    const { attempt } = this
    if (!this.reply) return attempt.deadline
    return this.cut?.settlesBy ?? Math.min(attempt.call.deadline, this.waitingSinceMs + attempt.stallMs)
  }

  answerOf(send: Handler<Attempt>): Promise<Reply> {
    const { attempt, bounds, end } = this
    const signal = AbortSignal.any([attempt.signal, end.signal])
    const sent = async () => send({ ...attempt, signal })
    return new Promise((resolve, reject) => {
      this.refuse = reject
      bounds.overdue.add(this)
      sent().then(
        (reply) => (end.signal.aborted ? quietly(() => reply.cancel()) : resolve(this.held(reply))),
        (error: unknown) => {
          bounds.overdue.delete(this)
          reject(error)
        },
      )
    })
  }

  giveUp(): void {
    const { attempt, bounds, reply, cut } = this
    const model = attempt.candidate.name
    const now = bounds.clock.now()
    const isOfCall = now >= attempt.call.deadline
    if (cut) return this.endAs(cut.how)
    if (!reply) return this.giveUpWaiting(failureOfTime(isOfCall, model))
    this.cut = { how: isOfCall ? 'cut' : 'stalled', settlesBy: now + graceMs }
    const error = failureOfStream(isOfCall ? 'deadline_exceeded' : 'stream_timeout', model)
    this.stream?.cut(error)
    this.letGo(error)
  }

  private giveUpWaiting(error: SignalboxError): void {
    error.billed = { usage: estimateUsage(this.attempt.call.request, { textBytes: 0 }), estimated: true }
    this.bounds.overdue.delete(this)
    this.refuse(error)
    this.end.abort(error)
  }

  private held(reply: Reply): Reply {
    this.reply = reply
    const { body } = reply
    if (!(body instanceof Uint8Array)) this.stream = this.watched(body)
    const ended = new Promise<Ended>((settle) => (this.settle = settle))
    Promise.resolve(reply.ended).then(
      (told) => this.endWith(counted(told, this.attempt.call.request, reply)),
      () => this.endAs('cut'),
    )
    return { ...reply, ...(this.stream && { body: this.stream }), ended, cancel: (reason) => this.cancel(reason) }
  }

  private watched(body: ByteStream): HeldStream {
    const { attempt, bounds } = this
    return new HeldStream(body, {
      blame: (cause) => failureOfStream('stream_interrupted', attempt.candidate.name, { cause }),
      onChange: () => {
        const isWaiting = this.stream?.isWaiting === true
        this.waitingSinceMs = isWaiting ? bounds.clock.now() : Infinity
        if (isWaiting) bounds.overdue.hasten(this)
        this.leaveIfOver()
      },
    })
  }

  private cancel(reason: unknown): void {
    this.letGo(reason)
    this.stream?.stop()
  }

  private letGo(reason: unknown): void {
    quietly(() => this.reply!.cancel(reason))
    this.end.abort(reason)
  }

  private endAs(how: Ended['how']): void {
    this.endWith({ how, usage: estimate(this.attempt.call.request, this.reply!), estimated: true })
  }

  private endWith(ended: Ended): void {
    this.settle(ended)
    this.isEnded = true
    this.leaveIfOver()
  }

  private leaveIfOver(): void {
    if (this.isEnded && this.stream?.isOver !== false) this.bounds.overdue.delete(this)
  }
}

function counted(told: Ended | undefined, request: Request, reply: Reply): Ended {
  const { usage } = (told ?? {}) as Partial<Ended>
  if (told && isCounted(usage)) return told
  const estimated = estimate(request, reply)
  const read = tokenClasses.map((name) => [name, isCount(usage?.[name]) ? usage[name] : estimated[name]] as const)
  const faults = [...(usage?.faults ?? []), 'not_a_count'] as const
  return { how: told?.how ?? 'complete', usage: { ...estimated, ...Object.fromEntries(read), faults }, estimated: true }
}

/** Of a stream nothing was kept that could be counted: it used what it was allowed to, where that is known. */
const estimate = (request: Request, { body }: Reply): Usage =>
  estimateUsage(request, {
    textBytes: body instanceof Uint8Array ? body.length : 0,
    deltas: body instanceof Uint8Array ? 0 : tokensOf(request).outputTokens,
  })
