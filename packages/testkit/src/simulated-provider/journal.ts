import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** A request that the simulated provider got. Its fields fill in as the request goes on. */
export interface SimulatedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The body as it came. */
  bytes: Buffer
  /** The body parsed as JSON; undefined if it is empty or no JSON. */
  body: unknown
  /** The `model` in the body, if it is a string. */
  model: string | undefined
  /** What stood in the way of an answer, `outage` among them. */
  fault: string | undefined
  /** The status answered with; undefined if none was. */
  status: number | undefined
  /** Monotonic times of the provider's clock, in milliseconds. */
  readonly startedAtMs: number
  endedAtMs: number | undefined
  /** An answer was begun: its head is out. */
  started: boolean
  /** The answer was written to its end. */
  ended: boolean
  /** The caller went away first. */
  aborted: boolean
}

export interface Journal {
  readonly requests: SimulatedRequest[]
  add(request: IncomingMessage, startedAtMs: number): SimulatedRequest
}

/** Keeps the latest `limit` requests. */
export function createJournal(limit: number): Journal {
  const requests: SimulatedRequest[] = []
  return {
    requests,
    add({ method = '', url = '', headers }, startedAtMs) {
      const entry: SimulatedRequest = {
        method,
        path: url,
        headers,
        bytes: Buffer.alloc(0),
        body: undefined,
        model: undefined,
        fault: undefined,
        status: undefined,
        startedAtMs,
        endedAtMs: undefined,
        started: false,
        ended: false,
        aborted: false,
      }
      requests.push(entry)
      if (requests.length > limit) requests.shift()
      return entry
    },
  }
}
