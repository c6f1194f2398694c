import type { SignalboxError } from '../errors.ts'
import type { DialectName, Request, Surface, Usage } from '../types.ts'
import type { Quirks } from '../providers/quirks.ts'
import type { JsonBody } from './json-request.ts'
import type { Translation } from './translation.ts'

/** An error as a provider puts it, whatever the shape around it. */
export interface ProviderError {
  readonly message: string
  readonly type?: string
  readonly code?: string
  /** A status that stands inside the error object itself. */
  readonly status?: number
}

/** One server-sent event. */
export interface SseEvent {
  readonly event?: string
  /** The `data` lines, joined by line feeds; undefined where there is none. */
  readonly data?: string
}

/** What an event of a stream is. `malformed` cannot be read; `ping` says nothing. */
export type EventKind =
  | 'role'
  | 'content'
  | 'reasoning'
  | 'tool'
  | 'usage'
  | 'finish'
  | 'error'
  | 'ping'
  | 'done'
  | 'malformed'

/** An event, read. */
export interface EventClass {
  readonly kind: EventKind
  /** The choices that are finished with it, by their index; content may stand in the same event. */
  readonly finishes?: readonly number[]
  readonly usage?: Usage
  /** A piece of what was used, where a stream tells it bit by bit: later pieces go over earlier ones. */
  readonly usagePiece?: JsonBody
  readonly error?: ProviderError
  /** The length of the text in it, in bytes of UTF-8: for counting tokens where the provider does not. */
  readonly textLength?: number
}

/** A plain answer, read: an error in the clothes of a success has `error`, a body that is no answer has `fault`. */
export interface AnswerClass {
  readonly usage?: Usage
  readonly error?: ProviderError
  readonly fault?: 'empty' | 'parse' | 'shape'
  readonly textLength?: number
}

/** A field of an answer, or of an event of one. */
export interface Field {
  readonly name: string
  /** What it is a field of. */
  readonly holder: Readonly<Record<string, unknown>>
  /** Where it stands, with the elements of a list by the index that they name themselves: `.choices.#0.delta.content`. */
  readonly path: string
}

/** What a request needs before it goes to a provider. */
interface UpstreamPatch {
  /** The provider's name for the model. */
  readonly model: string
  /** The tokens the model can write, where that is known. */
  readonly maxOutputTokens?: number | undefined
  /** In what its provider differs from others that speak the same. */
  readonly quirks?: Quirks | undefined
}

/**
 * A wire format. Everything that depends on one stands behind this.
 *
 * To add one: a folder here whose `index.ts` exports a `Dialect`, its name in `DialectName` (types.ts), and its line in
 * the table of index.ts; the HTTP face then takes `POST` at its `path`, and any provider may list it as one it speaks.
 * That alone serves callers whose model speaks the same dialect: their bytes pass through. For all other pairs the
 * dialect also has a `translation` (translation.ts): tables that say what each field, part and stop reason is in the
 * neutral form (neutral.ts), and how answers and the steps of a stream are read and written. There is none for a pair:
 * a request is read into the neutral form by the caller's dialect and written from it by the model's, its answer goes
 * the other way. What a table does not have is lost, and told of; docs/dialects.md is made from the same tables.
 */
export interface Dialect {
  readonly name: DialectName
  readonly surface: Surface
  /** Where it is called, below the base URL. */
  readonly path: string
  /** How it is read and written where caller and model speak differently. Absent where it stands alone. */
  readonly translation?: Translation
  /**
   * Reads a request. Takes the bytes that came, or what a host's body parser made of them.
   *
   * @throws SignalboxError `invalid_json` or `invalid_body`
   */
  parse(body: Uint8Array | object): Request
  /** The bytes to send: those that came, with what must differ spliced in. */
  patch(request: Request, patch: UpstreamPatch): Uint8Array
  /** The request with a limit on the tokens of each choice, in the field that the provider knows. */
  limitOutput(request: Request, tokens: number, provider: string): Request
  /** Whether the caller wants the usage at the end of a stream. */
  wantsUsage(request: Request): boolean
  /** The body of an error answer. */
  error(error: SignalboxError): Uint8Array
  /** The event that tells a caller that the stream broke. */
  errorEvent(error: SignalboxError): Uint8Array
  /** A provider's error as this dialect has them: the body of an answer. */
  told(error: ProviderError): object
  /** The same as an event. */
  toldEvent(error: ProviderError): string
  /** What ends a whole stream, where the dialect has such a thing. */
  readonly terminator: Uint8Array | undefined
  classifyEvent(event: SseEvent): EventClass
  /** Whether these bytes are for certain one ordinary delta that neither finishes nor fails: spares reading it. */
  isDelta(bytes: Uint8Array): boolean
  classifyAnswer(body: Uint8Array): AnswerClass
  /** Whether a field of an answer, or of an event of one, holds what the model says: refusals are, thoughts are not. */
  isSaid(field: Field): boolean
  /** What pieces of usage are when they are put together. Absent where a stream tells it at once. */
  joinUsage?(pieces: JsonBody): Usage | undefined
  /** The error in a body, where there is one. */
  providerError(body: unknown): ProviderError | undefined
}
