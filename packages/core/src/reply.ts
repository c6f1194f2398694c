import { quietly } from './stream.ts'
import type { ByteStream, Ended, Reply, Sink, Usage } from './types.ts'

/** No tokens at all. */
export const noUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
}

/** What a reply says of its end whose maker says nothing. Of a plugin's that is right: it asked nobody. */
export const completeWithoutUsage: Ended = { how: 'complete', usage: noUsage, estimated: false }

type Head = Pick<Reply, 'status' | 'headers' | 'dialect' | 'model'>

/**
 * A reply whose whole body is there.
 *
 * How it ended is asked for at once: everyone wants it, and a getter in an object made for each call would cost each call
 * a hidden class of its own, which lives in the old space and keeps the whole call alive until a full collection.
 */
export function plainReply(parts: Head & { readonly body: Uint8Array; readonly ended?: () => Ended }): Reply {
  const { status, headers, dialect, model, body, ended } = parts
  return {
    status,
    headers,
    dialect,
    model,
    body,
    ended: Promise.resolve(ended ? ended() : completeWithoutUsage),
    cancel: nothingToCancel,
  }
}

const nothingToCancel = () => undefined

/** A reply whose body arrives in pieces. */
export function streamReply(
  parts: Head & {
    readonly body: ByteStream
    readonly ended?: Promise<Ended>
    readonly cancel?: (reason?: unknown) => void
  },
): Reply {
  return { ended: Promise.resolve(completeWithoutUsage), cancel: () => undefined, ...parts }
}

/**
 * A stream made of chunks that are there, or of any async iterable of chunks: what a plugin returns that changes bytes.
 *
 * @example
 * const upper = streamOf(mapChunks(reply.body, (chunk) => Buffer.from(chunk.toString().toUpperCase())))
 */
export function streamOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): ByteStream {
  const observers: ((chunk: Uint8Array) => void)[] = []
  const onEnds: (() => void)[] = []
  let taken = false

  async function* observed(): AsyncGenerator<Uint8Array, void, undefined> {
    if (taken) throw new TypeError('This stream has a reader already: a body can be read once')
    taken = true
    for await (const chunk of chunks) {
      for (const observer of observers) quietly(() => observer(chunk))
      yield chunk
    }
    for (const onEnd of onEnds) quietly(onEnd)
  }

  return {
    get isTaken() {
      return taken
    },
    [Symbol.asyncIterator]: observed,
    tap(observer, onEnd) {
      observers.push(observer)
      if (onEnd) onEnds.push(onEnd)
    },
    async to(sink: Sink) {
      for await (const chunk of observed()) {
        if (!sink.write(chunk)) await new Promise<void>((resolve) => void sink.once('drain', resolve))
      }
    },
  }
}

/** Chunks as one array of bytes. */
export function bytesOf(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** The whole body of a reply, plain or streamed. A streamed one is read to its end. */
export async function readBody(reply: Pick<Reply, 'body'>): Promise<Uint8Array> {
  if (reply.body instanceof Uint8Array) return reply.body
  const chunks: Uint8Array[] = []
  for await (const chunk of reply.body) chunks.push(chunk)
  return bytesOf(chunks)
}
