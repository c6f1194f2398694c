import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sleep, type Clock } from '../clock.ts'
import { letPeerRead } from '../let-peer-read.ts'
import type { SimulatedRequest } from './journal.ts'
import type { Refusal } from './openai-errors.ts'

/** One request and its answer on the wire. */
export interface Exchange {
  readonly entry: SimulatedRequest
  /** Aborts when the answer is over or the caller has gone. */
  readonly signal: AbortSignal
  readBody(): Promise<Buffer>
  head(status: number, headers: Record<string, string | number>): void
  write(text: string): Promise<void>
  /** Resolves when what was written has been handed to the kernel, and the caller has had time to read it. */
  flushed(): Promise<void>
  end(text?: string): void
  json(refusal: Refusal): void
  /** Ends the connection with a TCP reset. */
  reset(): void
  /** Ends the connection in an orderly way, whatever of the body is missing. */
  hangUp(): void
  sleepUntil(timeMs: number): Promise<void>
  untilOver(): Promise<void>
}

export interface ExchangeParts {
  request: IncomingMessage
  response: ServerResponse
  entry: SimulatedRequest
  clock: Clock
  requestId: string
}

export function createExchange({ request, response, entry, clock, requestId }: ExchangeParts): Exchange {
  const over = new AbortController()
  let endedHere = false
  const socket = request.socket
  response.on('error', () => undefined)
  response.once('close', () => {
    entry.ended = response.writableFinished
    entry.aborted = !entry.ended && !endedHere
    entry.endedAtMs = clock.now()
    over.abort()
  })

  const exchange: Exchange = {
    entry,
    signal: over.signal,
    async readBody() {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer)
      return Buffer.concat(pieces)
    },
    head(status, headers) {
      if (over.signal.aborted) return
      entry.started = true
      entry.status = status
      const processingMs = Math.round(clock.now() - entry.startedAtMs)
      response.writeHead(status, { ...headers, 'x-request-id': requestId, 'openai-processing-ms': processingMs })
      response.flushHeaders()
    },
    async write(text) {
      if (over.signal.aborted || response.write(text)) return
      await new Promise<void>((resolve) => {
        response.once('drain', resolve)
        over.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },
    async flushed() {
      while (!over.signal.aborted && (response.writableLength > 0 || socket.writableLength > 0)) await nextTurn()
      await letPeerRead()
    },
    end(text) {
      if (over.signal.aborted) return
      response.end(text)
    },
    json({ status, body, headers }) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      exchange.head(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...headers,
      })
      exchange.end(text)
    },
    reset() {
      endedHere = true
      socket.resetAndDestroy()
    },
    hangUp() {
      endedHere = true
      socket.end(() => socket.destroy())
    },
    sleepUntil: (timeMs) => sleep(clock, timeMs - clock.now(), over.signal),
    untilOver: () =>
      over.signal.aborted
        ? Promise.resolve()
        : new Promise((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true })),
  }
  return exchange
}
