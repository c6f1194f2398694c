import type { SignalboxError } from '../errors.ts'
import type { CallRecord } from '../record.ts'
import type { ByteStream, DialectName, Identity, Logger } from '../types.ts'

/** A request as the face takes it, whatever server or framework it came through. */
export interface FaceRequest {
  readonly method: string
  /** The path and the query, as they came; absent where there are none but the path. */
  readonly url?: string | undefined
  /** A header's value by its lower-case name. */
  header(name: string): string | undefined
  /**
   * The body. At once what a host has of it: the bytes it kept, or what its parser made of them. A promise of bytes that are
   * read for this, into memory that nobody else has.
   */
  body(): Uint8Array | object | Promise<Uint8Array | object>
  /** Who calls. */
  identify(): Identity | undefined | Promise<Identity | undefined>
  /** Whether the host lets this caller see the router's own pages. Absent where there are none. */
  readonly authorise?: (() => boolean | Promise<boolean>) | undefined
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal
  /** What aborts the signal, where the call may have it for its own. */
  readonly end?: AbortController
  /** Whether the face has given its answer. A response that ends before was ended by the host. */
  isAnswered?: boolean
  /** Whether all of the body has come, so that the connection can be used again. */
  bodyIsComplete(): boolean
  /** The host's own id for the request, where it has one. */
  readonly id?: string | undefined
  /** The host's logger for the request, or else the router's. */
  readonly log?: Logger | undefined
}

/** An answer as the face gives it. */
export interface FaceAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Uint8Array | ByteStream
  /** What was decided, where the request was a call. */
  readonly record?: CallRecord
  /** The error that is told to the caller, where it is one. */
  readonly error?: SignalboxError
  /** Gives up a body that is not written. */
  cancel(): void
}

/** What answers one request. */
export interface Endpoint {
  /** Absent where callers of all dialects ask: then their headers tell. */
  readonly dialect?: DialectName
  answer(request: FaceRequest, id: string): FaceAnswer | Promise<FaceAnswer>
}

/** An endpoint at paths of one form. */
export interface Resource {
  readonly method: string
  /** What it takes; its first group is the parameter. */
  readonly path: RegExp
  /** The dialect of its answers. @default the one that the caller speaks */
  readonly dialect?: DialectName
  answer(request: FaceRequest, id: string, parameter: string): FaceAnswer | Promise<FaceAnswer>
}

/** The HTTP face: everything between a framework and the router. */
export interface Face {
  /** The endpoint for a path; undefined for a path that is none of ours. */
  match(method: string, path: string): Endpoint | undefined
  /** Answers a request. Never rejects: errors become answers in the caller's dialect. */
  answer(endpoint: Endpoint, request: FaceRequest): Promise<FaceAnswer>
  readonly maxRequestBytes: number
  /** The router's logger, for requests to which the host gives none. */
  readonly logger: Logger | undefined
}
