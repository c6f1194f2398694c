import type { Timer } from '../clock.ts'
import { SignalboxError, brokenOff } from '../errors.ts'
import { bytesOf, noUsage, plainReply, streamReply } from '../reply.ts'
import { endOf } from '../sleep.ts'
import { PushStream } from '../stream.ts'
import type { ByteStream, Ended, Reply } from '../types.ts'
import type { FlightOptions, Passenger, Rider } from './flights.ts'

/** One that waits for the answer, or reads it. */
export interface Member extends Rider {
  readonly leads: boolean
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** A member on board. */
interface Seat {
  readonly member: Member
  readonly leave: () => void
  readonly timer: Timer | undefined
  stream?: PushStream
  settle?: (ended: Ended) => void
  isBehind: boolean
}

/** What those are rejected with who waited for an answer that is not for them. */
export const notForAll = Symbol('not for all')

const left: Ended = { how: 'cancelled', usage: noUsage, estimated: false }

/** One answer on its way to all who want it. */
export class Flight {
  private readonly seats = new Set<Seat>()
  private readonly end = new AbortController()
  private readonly passenger: Passenger
  private readonly options: FlightOptions
  private readonly onGone: () => void
  private upstream: Reply | undefined
  private chunks: Uint8Array[] | undefined = []
  private bytes = 0
  private onRoom: (() => void) | undefined
  private isOver = false

  constructor(passenger: Passenger, options: FlightOptions, onGone: () => void) {
    this.passenger = passenger
    this.options = options
    this.onGone = onGone
  }

  /** Asks for the answer. */
  begin(): void {
    this.ask().then(
      (reply) => this.land(reply),
      (error: unknown) => this.fail(error),
    )
  }

  join(member: Member): void {
    const { clock } = this.options
    const seat: Seat = {
      member,
      leave: () => this.leave(seat, endOf(member.signal)),
      // The leader's time is the upstream's too, which keeps it.
      timer: member.leads ? undefined : clock.setTimeout(() => this.timeOut(seat), member.deadline - clock.now()),
      isBehind: false,
    }
    this.seats.add(seat)
    if (member.signal.aborted) return seat.leave()
    member.signal.addEventListener('abort', seat.leave, { once: true })
    if (this.upstream) this.open(seat, this.upstream)
  }

  private async ask(): Promise<Reply> {
    return this.passenger.start(this.end.signal)
  }

  private land(reply: Reply): void {
    if (!this.isOver && this.passenger.isForItAlone?.(reply)) this.sendAway()
    if (this.isOver) return reply.cancel()
    const { body } = reply
    if (!(body instanceof Uint8Array)) {
      this.upstream = reply
      for (const seat of this.seats) this.open(seat, reply)
      void this.pump(reply, body)
      return
    }
    this.over()
    void reply.ended.then((ended) => this.complete(reply, body, ended))
    for (const { member } of this.release()) member.resolve(member.leads ? reply : withoutUsage(reply, body))
  }

  /** Leaves the leader alone with the answer. Where it has left, nobody wants it. */
  private sendAway(): void {
    const others = [...this.seats].filter(({ member }) => !member.leads)
    for (const seat of others) {
      this.seats.delete(seat)
      this.let(seat)
      seat.member.reject(notForAll)
    }
    if (this.seats.size > 0) return this.onGone()
    this.over()
    this.end.abort()
  }

  private fail(error: unknown): void {
    this.over()
    for (const { member } of this.release()) member.reject(error)
  }

  /** Gives a member a stream of its own: what came so far, then the rest. */
  private open(seat: Seat, { status, headers, dialect, model }: Reply): void {
    const ended = new Promise<Ended>((resolve) => (seat.settle = resolve))
    seat.stream = new PushStream({
      pause: () => void (seat.isBehind = true),
      resume: () => {
        seat.isBehind = false
        this.goOn()
      },
      cancel: seat.leave,
    })
    for (const chunk of this.chunks ?? []) seat.stream.push(chunk)
    seat.member.resolve(streamReply({ status, headers, dialect, model, body: seat.stream, ended, cancel: seat.leave }))
  }

  private async pump(reply: Reply, body: ByteStream): Promise<void> {
    try {
      for await (const chunk of body) {
        this.keep(chunk)
        for (const { stream } of this.seats) stream!.push(chunk)
        if (this.mustHold()) await new Promise<void>((resolve) => (this.onRoom = resolve))
      }
    } catch (error) {
      // Whoever asks from now on asks anew, also while it is not known yet how this one ended.
      this.onGone()
      const event = this.options.endOf(reply, brokenOff(error))
      for (const { stream } of this.seats) stream!.push(event)
      this.chunks = undefined
      reply.cancel()
    }
    const ended = await reply.ended
    this.over()
    for (const { stream, settle, member } of this.release()) {
      stream!.end()
      settle!(member.leads ? ended : unpaid(ended))
    }
    if (this.chunks) this.complete(reply, bytesOf(this.chunks), ended)
  }

  private keep(chunk: Uint8Array): void {
    if (!this.chunks) return
    this.bytes += chunk.length
    this.chunks.push(chunk)
    if (this.bytes <= this.options.maximumBytes) return
    this.chunks = undefined
    this.onGone()
  }

  /** While the answer is kept one reader that falls behind costs nothing more; afterwards the slowest sets the pace. */
  private mustHold(): boolean {
    const seats = [...this.seats]
    return this.chunks ? seats.length > 0 && seats.every(isBehind) : seats.some(isBehind)
  }

  private goOn(): void {
    if (!this.onRoom || this.mustHold()) return
    const resume = this.onRoom
    this.onRoom = undefined
    resume()
  }

  private timeOut(seat: Seat): void {
    const error = new SignalboxError('deadline_exceeded', "The call's time is up")
    if (seat.stream) seat.stream.push(this.options.endOf(this.upstream!, error))
    this.leave(seat, error, 'cut')
  }

  private leave(seat: Seat, error: SignalboxError, how: Ended['how'] = 'cancelled'): void {
    if (!this.seats.delete(seat)) return
    this.let(seat)
    seat.member.reject(error)
    seat.stream?.end()
    seat.settle?.({ ...left, how })
    if (this.seats.size > 0) return this.goOn()
    this.over()
    this.chunks = undefined
    this.end.abort(error)
    this.upstream?.cancel(error)
    this.goOn()
  }

  private release(): Seat[] {
    const seats = [...this.seats]
    this.seats.clear()
    for (const seat of seats) this.let(seat)
    return seats
  }

  private let({ member, leave, timer }: Seat): void {
    member.signal.removeEventListener('abort', leave)
    this.options.clock.clearTimeout(timer)
  }

  private complete(reply: Reply, body: Uint8Array, ended: Ended): void {
    if (ended.how === 'complete') this.passenger.onComplete(reply, body, ended)
  }

  private over(): void {
    this.isOver = true
    this.onGone()
  }
}

const isBehind = (seat: Seat) => seat.isBehind

function withoutUsage({ status, headers, dialect, model, ended }: Reply, body: Uint8Array): Reply {
  const own = plainReply({ status, headers, dialect, model, body: Buffer.from(body) })
  return { ...own, ended: ended.then(unpaid) }
}

/** How it ended for one who does not pay for it. */
const unpaid = (ended: Ended): Ended => ({ ...ended, usage: noUsage, estimated: false })
