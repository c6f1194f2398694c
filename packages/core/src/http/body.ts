import type { IncomingMessage } from 'node:http'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import { bytesOf } from '../reply.ts'

/** A request that a body parser may have been at before us. */
export type ParsedRequest = IncomingMessage & { readonly rawBody?: unknown }

/**
 * The body of a request: the bytes a host kept (`req.rawBody`), what its parser made of them, or else what is read from
 * the socket now.
 *
 * @param parsed what the host's parser left: `req.body` in Express, `ctx.request.body` in Koa
 * @throws SignalboxError `request_too_large`, `body_consumed`, `invalid_body` when it is compressed, or `cancelled` when
 * the caller leaves in the middle
 */
export function bodyOf(
  req: ParsedRequest,
  parsed: unknown,
  maxBytes: number,
): Uint8Array | object | Promise<Uint8Array> {
  const { rawBody }: { readonly rawBody?: unknown } = req
  if (rawBody instanceof Uint8Array) return limited(rawBody, maxBytes)
  if (parsed instanceof Uint8Array) return limited(parsed, maxBytes)
  if (typeof parsed === 'string' && parsed !== '') return limited(Buffer.from(parsed), maxBytes)
  if (typeof parsed === 'object' && parsed !== null && (hasKeys(parsed) || wasRead(req))) return parsed
  if (wasRead(req)) {
    // What is no object is left by a parser that takes any JSON: the caller is told of that as of any wrong body.
    if (parsed !== undefined) return Buffer.from(parsed === '' ? '' : JSON.stringify(parsed))
    const message =
      'The request body was read before the router saw it, and left neither in req.body nor in req.rawBody'
    throw new SignalboxError('body_consumed', message)
  }
  refusePacked(req.headers['content-encoding'])
  return read(req, maxBytes)
}

/**
 * The body of a `fetch` request, as it comes.
 *
 * @throws SignalboxError `request_too_large`, `invalid_body` when it is compressed, or `cancelled` when it breaks off or
 * the caller leaves in the middle
 */
export async function webBodyOf({ body, headers, signal }: globalThis.Request, maxBytes: number): Promise<Uint8Array> {
  refusePacked(headers.get('content-encoding'))
  const reader = body?.getReader()
  if (!reader) return new Uint8Array()
  const leave = () => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', leave)
  try {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.length
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      chunks.push(value)
    }
    if (signal.aborted) throw brokeOff(signal.reason)
    // A copy, of one chunk too: whoever sends a stream may use its memory again.
    return Buffer.concat(chunks)
  } catch (error) {
    leave()
    throw isSignalboxError(error) ? error : brokeOff(error)
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function refusePacked(encoding: string | null | undefined): void {
  const packing = packings.exec(encoding ?? '')?.[0]
  if (packing === undefined) return
  const message = `The request body is compressed with ${packing}, which is not unpacked here: send it as it is`
  throw new SignalboxError('invalid_body', message)
}

/** All others are taken for mistakes of callers who write what they send as it is. */
const packings = /\b(?:gzip|deflate|br|zstd|compress)\b/i

const hasKeys = (value: object) => Array.isArray(value) || Object.keys(value).length > 0
const wasRead = (req: IncomingMessage) => req.readableEnded || (req.readableDidRead && req.complete)

function limited(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

const tooLarge = (maxBytes: number) =>
  new SignalboxError('request_too_large', `The request body is larger than ${maxBytes} bytes`)

const brokeOff = (cause?: unknown) =>
  new SignalboxError('cancelled', 'The caller left before the request was complete', { cause })

function read(req: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length']) > maxBytes) return reject(tooLarge(maxBytes))
    // Of what broke off before, as while a host's middleware was at work, no event tells any more.
    if (req.destroyed || req.aborted) return reject(brokeOff())
    const chunks: Uint8Array[] = []
    let bytes = 0
    // Listeners stay where they are: to take four of them off costs more than to call them once in vain.
    let over = false
    const take = (chunk: Uint8Array) => {
      if (over) return
      bytes += chunk.length
      if (bytes <= maxBytes) {
        chunks.push(chunk)
        return
      }
      over = true
      reject(tooLarge(maxBytes))
    }
    const finish = () => {
      over = true
      resolve(bytesOf(chunks))
      chunks.length = 0
    }
    const leave = () => {
      if (!over) reject(brokeOff())
      over = true
    }
    req.on('data', take)
    req.on('end', finish)
    req.on('close', leave)
    req.on('error', leave)
  })
}
