import { crc32 } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import { bufferOf, ownBytes } from './buffer.ts'
import { JsonRequest, type RequestHead } from './dialects/json-request.ts'
import type { Call, DialectName, Request } from './types.ts'

/** What is remembered of requests may take so many bytes, and one of them so many. */
const maximumBytes = 8 * 1024 * 1024
const largestBytes = 1024 * 1024
/** What one takes besides its bytes. */
const overheadBytes = 512

/** Requests that were sent before, letter by letter: they need not be parsed again before somebody looks into them. */
export interface SeenRequests {
  /** The request that was sent, where it is remembered. */
  recall(dialect: DialectName, sent: object | Uint8Array): Request | undefined
  /**
   * Remembers what a call asks. Gives its number: the same for the same bytes, and never that of others; undefined for what
   * is too large to be remembered.
   */
  numberOf(call: Call): number | undefined
}

interface Seen {
  readonly number: number
  readonly sent: Buffer
  readonly head: RequestHead
}

/** Makes a memory of requests. */
export function createSeenRequests(): SeenRequests {
  const seen = new LRUCache<string, Seen>({
    maxSize: maximumBytes,
    maxEntrySize: largestBytes,
    sizeCalculation: ({ sent }) => sent.length + overheadBytes,
  })
  let numbers = 0

  function find(name: string, sent: Buffer): Seen | undefined {
    const found = seen.get(name)
    return found?.sent.equals(sent) ? found : undefined
  }

  return {
    recall(dialect, body) {
      if (!(body instanceof Uint8Array) || isLarge(body)) return undefined
      const sent = bufferOf(body)
      const found = find(nameOf(dialect, sent), sent)
      return found && new JsonRequest(found.head, { bytes: body, seenAs: found.number })
    },
    numberOf({ dialect, request }) {
      if (!(request instanceof JsonRequest)) return undefined
      if (request.seenAs !== undefined) return request.seenAs
      if (isLarge(request.bytes)) return undefined
      const sent = bufferOf(request.bytes)
      const name = nameOf(dialect, sent)
      const found = find(name, sent)
      if (found) return found.number
      const number = ++numbers
      seen.set(name, { number, sent: ownBytes(sent), head: request.head })
      return number
    },
  }
}

const isLarge = ({ length }: Uint8Array) => length > largestBytes - overheadBytes

/** Others may have the same name: it is quickly made, and says where to look. */
const nameOf = (dialect: DialectName, sent: Buffer) => `${dialect} ${crc32(sent)}`
