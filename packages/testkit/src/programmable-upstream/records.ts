import type { RequestHead } from './read-request.ts'

/** How the other side ended a connection: an orderly FIN, or a reset. */
export type PeerClose = 'fin' | 'reset'

/** A request that a programmable upstream got. Its fields fill in as the request goes on. */
export interface RecordedRequest extends Readonly<RequestHead> {
  /** Counts from 0 over the upstream's life. */
  readonly index: number
  readonly connectionId: number
  /** It is not the first request on its connection. */
  readonly reused: boolean
  /** When its head was complete, in monotonic milliseconds of the upstream's clock. */
  readonly receivedAtMs: number
  /** The body so far, without chunk framing. */
  readonly body: Buffer
  readonly bodyComplete: boolean
  /** Bytes of the answer that the kernel has taken. */
  readonly bytesSent: number
  /** The script ran to its end. */
  readonly scriptDone: boolean
  /** When the caller closed the connection before the script was done; undefined if it did not. */
  readonly closedByPeerAtMs: number | undefined
  readonly closedByPeer: PeerClose | undefined
  /** The body parsed as JSON. */
  json(): unknown
}

/** A connection that a programmable upstream accepted. */
export interface RecordedConnection {
  readonly id: number
  readonly openedAtMs: number
  /** How many requests came on it. */
  readonly requests: number
  readonly open: boolean
  /** When the caller closed it, if the caller did so first. */
  readonly closedByPeerAtMs: number | undefined
  readonly closedByPeer: PeerClose | undefined
}

export type Writable<Record> = { -readonly [Key in keyof Record]: Record[Key] }

interface RequestPlace {
  index: number
  connectionId: number
  reused: boolean
  receivedAtMs: number
}

export function recordRequest(head: RequestHead, place: RequestPlace) {
  let pieces: Buffer[] = []
  const record: Writable<RecordedRequest> = {
    ...head,
    ...place,
    get body() {
      if (pieces.length > 1) pieces = [Buffer.concat(pieces)]
      return pieces[0] ?? Buffer.alloc(0)
    },
    bodyComplete: false,
    bytesSent: 0,
    scriptDone: false,
    closedByPeerAtMs: undefined,
    closedByPeer: undefined,
    json: () => JSON.parse(record.body.toString()) as unknown,
  }
  return { record, addBody: (bytes: Buffer) => void pieces.push(bytes) }
}
