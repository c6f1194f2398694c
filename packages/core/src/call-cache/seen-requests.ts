import { crc32 } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import { bufferOf, ownBytes } from '../buffer.ts'
import { dialects } from '../dialects/index.ts'
import { JsonRequest, type RequestHead } from '../dialects/json-request.ts'
import type { Call, DialectName, Parameters, Request } from '../types.ts'

/** What is remembered of requests may take so many bytes, and one of them so many. */
const maximumBytes = 8 * 1024 * 1024
const largestBytes = 1024 * 1024
/** What a request, and each of its texts, takes besides its bytes. */
const overheadBytes = 512
const textBytes = 64

/** Requests that were sent before, letter by letter: they need not be parsed again before somebody looks into them. */
export interface SeenRequests {
  /**
   * Reads a request in a dialect's wire format.
   *
   * @throws SignalboxError what the dialect's `parse` throws
   */
  read(dialect: DialectName, sent: object | Uint8Array): Request
  /** A number for what a call asks: the same for the same bytes, and never that of others; undefined for what is too large. */
  numberOf(call: Call): number | undefined
}

interface Seen {
  readonly number: number
  readonly dialect: DialectName
  readonly sent: Buffer
  /** What its dialect read in these very bytes; absent where a plugin or the host wrote them. */
  readonly head?: RequestHead
}

/** Makes a memory of requests. `mayComeAgain` says whether one that asks for this is worth remembering. */
export function createSeenRequests(mayComeAgain: (parameters: Parameters) => boolean): SeenRequests {
  const seen = new LRUCache<number, Seen>({
    maxSize: maximumBytes,
    maxEntrySize: largestBytes,
    sizeCalculation: sizeOf,
  })
  let numbers = 0

  // Others may have the same checksum: it is quickly made, and says where to look.
  function find(dialect: DialectName, sent: Buffer): Seen | undefined {
    const found = seen.get(crc32(sent))
    return found?.dialect === dialect && found.sent.equals(sent) ? found : undefined
  }

  function remember(dialect: DialectName, sent: Buffer, head?: RequestHead): number {
    const number = find(dialect, sent)?.number ?? ++numbers
    seen.set(crc32(sent), { number, dialect, sent: ownBytes(sent), ...(head && { head }) })
    return number
  }

  return {
    read(dialect, body) {
      const { parse } = dialects[dialect]
      if (!(body instanceof Uint8Array) || isLarge(body)) return parse(body)
      const sent = bufferOf(body)
      const found = find(dialect, sent)
      if (found?.head) return new JsonRequest(copyOf(found.head), { sent: found.sent, seenAs: found.number })
      const request = parse(body)
      if (request instanceof JsonRequest && mayComeAgain(request.parameters))
        request.seenAs = remember(dialect, sent, copyOf(request))
      return request
    },
    numberOf({ dialect, request }) {
      if (!(request instanceof JsonRequest)) return undefined
      if (request.seenAs !== undefined) return request.seenAs
      if (isLarge(request.bytes)) return undefined
      const sent = bufferOf(request.bytes)
      return find(dialect, sent)?.number ?? remember(dialect, sent)
    },
  }
}

const isLarge = ({ length }: Uint8Array) => length > largestBytes - overheadBytes

function sizeOf({ sent, head }: Seen): number {
  const texts = head ? [head.model, ...(head.parameters.stop ?? [])] : []
  return texts.reduce((sum, { length }) => sum + length + textBytes, sent.length + overheadBytes)
}

/** What a plugin does to the parameters of one call is not for the next. */
function copyOf({ model, view, parameters }: RequestHead): RequestHead {
  const { stop } = parameters
  return { model, view, parameters: stop ? { ...parameters, stop: [...stop] } : { ...parameters } }
}
