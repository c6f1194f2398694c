import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { bufferOf } from '../buffer.ts'
import type { ByteStream, Logger, Sink } from '../types.ts'
import type { Endpoint, FaceAnswer } from './contract.ts'
import { brokenStream } from './node.ts'

/**
 * The body of an answer as a buffer or a Node stream, for frameworks that take these: Koa takes other bytes for an object.
 * Destroying the stream gives the answer up; what breaks it is logged.
 */
export function readableBody(answer: FaceAnswer, endpoint: Endpoint, log?: Logger): Buffer | Readable {
  const { body } = answer
  const onBroken = (error: unknown) => brokenStream(endpoint, error, log)
  return body instanceof Uint8Array ? bufferOf(body) : new ReadableBody(body, answer, onBroken)
}

/**
 * A Node stream of a body. Piped into a response, with nobody else listening, the body writes there itself: no chunk goes
 * through the queue of a stream.
 */
class ReadableBody extends Readable {
  private readonly body: ByteStream
  private readonly answer: FaceAnswer
  private readonly onBroken: (error: unknown) => Uint8Array
  private begun = false
  private onDrain: (() => void) | undefined

  constructor(body: ByteStream, answer: FaceAnswer, onBroken: (error: unknown) => Uint8Array) {
    super()
    this.body = body
    this.answer = answer
    this.onBroken = onBroken
  }

  override _read(): void {
    if (!this.begun) {
      const sink: Sink = { write: (chunk) => this.push(chunk), once: (_event, listener) => (this.onDrain = listener) }
      void this.writeTo(sink)
    }
    const resume = this.onDrain
    this.onDrain = undefined
    resume?.()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.answer.cancel()
    done(error)
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    const isHeard = this.begun || this.listenerCount('data') + this.listenerCount('readable') > 0
    if (isHeard || !(destination instanceof ServerResponse)) return super.pipe(destination, options)
    if (options?.end !== false) this.once('end', () => destination.end())
    void this.writeTo(destination).then(() => this.resume())
    return destination
  }

  private async writeTo(sink: Sink): Promise<void> {
    this.begun = true
    try {
      await this.body.to(sink)
    } catch (error) {
      sink.write(this.onBroken(error))
    }
    this.push(null)
  }
}
