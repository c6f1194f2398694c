import zlib from 'node:zlib'

/** Takes encoded bytes and gives them back plain, through the callbacks it was made with. */
export interface Decoder {
  write(chunk: Uint8Array): void
  /** Nothing follows: of what came all is given first, also where the connection broke. */
  end(broken?: Error): void
  destroy(): void
}

/** What a decoder tells. */
export interface DecoderEvents {
  onData(chunk: Uint8Array): void
  /** @param broken why the connection broke, where it did */
  onEnd(broken?: Error): void
  onError(reason: 'too_large' | 'content_encoding', cause?: unknown): void
}

/** A body that grows by more than this is a bomb. The first 64 KiB may grow as they like: short texts compress well. */
const maxGrowth = 100
const freeBytes = 64 * 1024

/** A decoder for a content encoding; undefined for one that nobody asked for and nobody knows. */
export function createDecoder(encoding: string, maxBytes: number, events: DecoderEvents): Decoder | undefined {
  const stream = streamFor(encoding.trim().toLowerCase())
  if (!stream) return undefined
  let taken = 0
  let given = 0
  let dead = false
  let brokenBy: Error | undefined
  const fail = (reason: 'too_large' | 'content_encoding', cause?: unknown) => {
    if (dead) return
    dead = true
    stream.destroy()
    if (brokenBy && reason === 'content_encoding') events.onEnd(brokenBy)
    else events.onError(reason, cause)
  }
  stream.on('data', (chunk: Uint8Array) => {
    given += chunk.length
    if (given > maxBytes || given > freeBytes + taken * maxGrowth) return fail('too_large')
    if (!dead) events.onData(chunk)
  })
  stream.on('end', () => dead || events.onEnd(brokenBy))
  stream.on('error', (error) => fail('content_encoding', error))
  return {
    write(chunk) {
      taken += chunk.length
      stream.write(chunk)
    },
    end(broken) {
      brokenBy = broken
      stream.end()
    },
    destroy() {
      dead = true
      stream.destroy()
    },
  }
}

function streamFor(encoding: string) {
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.createGunzip()
  if (encoding === 'deflate') return zlib.createInflate()
  if (encoding === 'br') return zlib.createBrotliDecompress()
  return undefined
}
