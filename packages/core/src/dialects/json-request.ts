import { SignalboxError } from '../errors.ts'
import type { ChangedParameters, Media, Message, Modality, Parameters, Request, Tool } from '../types.ts'
import { countFields } from './count-fields.ts'
import { hasValue, jsonIn } from './json.ts'
import { layoutOf, splice } from './splice.ts'

/** A parsed JSON body. */
export type JsonBody = Readonly<Record<string, unknown>>

/** A message with what nobody said in it: names and arguments of tools that are called, and thoughts. */
export function messageWith(role: string, text: string, unspoken: readonly unknown[]): Message {
  const besides = unspoken.filter((one) => typeof one === 'string' && one !== '').join('\n')
  return besides === '' ? { role, text } : { role, text, unspoken: besides }
}

/** How a dialect reads its own bodies. Each is total: it takes any body and throws at none. */
export interface RequestView {
  messages(body: JsonBody): readonly Message[]
  tools(body: JsonBody): readonly Tool[]
  parameters(body: JsonBody): Parameters
  modality(body: JsonBody): ReadonlySet<Modality>
  media(body: JsonBody): Media
  /** The top-level fields with every text in them changed. */
  mapText(body: JsonBody, map: (text: string, role: string) => string): JsonBody
  /** The fields that hold the parameters; a list where one of several may, the first being the one to add. */
  readonly fields: Readonly<Partial<Record<keyof ChangedParameters, string | readonly string[]>>>
}

/** What may be known of a request before its body is looked into. */
export interface RequestHead {
  readonly model: string
  readonly view: RequestView
  readonly parameters: Parameters
}

/** The body of a request, in one of its forms at least. */
interface RequestContent {
  readonly body?: JsonBody
  readonly bytes?: Uint8Array | undefined
  /** Bytes that were parsed before, and that are never handed out: others have them too. */
  readonly sent?: Buffer
  readonly seenAs?: number
}

/** A request whose body is a JSON object with a `model`. */
export class JsonRequest implements Request {
  readonly model: string
  /** The number by which it is remembered, where it is. */
  seenAs: number | undefined
  /** Whether nobody else writes into the memory that its bytes came in. */
  isOurs = false
  readonly view: RequestView
  private readonly sent: Buffer | undefined
  private bytesGiven: Uint8Array | undefined
  private bodyRead: JsonBody | undefined
  private messagesRead: readonly Message[] | undefined
  private parametersRead: Parameters | undefined
  private mediaRead: Media | undefined

  constructor(
    { model, view, parameters }: Omit<RequestHead, 'parameters'> & Partial<RequestHead>,
    { body, bytes, sent, seenAs }: RequestContent,
  ) {
    this.model = model
    this.view = view
    this.parametersRead = parameters
    this.bodyRead = body
    this.bytesGiven = bytes
    this.sent = sent
    this.seenAs = seenAs
  }

  get body(): JsonBody {
    return (this.bodyRead ??= parseJson((this.sent ?? this.bytesGiven)!) as JsonBody)
  }

  get bytes(): Uint8Array {
    return (this.bytesGiven ??= this.sent ? Buffer.from(this.sent) : writeJson(this.body))
  }

  get messages(): readonly Message[] {
    return (this.messagesRead ??= unlessTooDeep(() => this.view.messages(this.body)))
  }

  get text(): string {
    return this.messages.map((message) => message.text).join('\n')
  }

  get tools(): readonly Tool[] {
    return this.view.tools(this.body)
  }

  get parameters(): Parameters {
    return (this.parametersRead ??= this.view.parameters(this.body))
  }

  get modality(): ReadonlySet<Modality> {
    return unlessTooDeep(() => this.view.modality(this.body))
  }

  get media(): Media {
    return (this.mediaRead ??= unlessTooDeep(() => this.view.media(this.body)))
  }

  with(patch: JsonBody): Request {
    const body: Record<string, unknown> = { ...this.body, ...patch }
    for (const key of Object.keys(patch)) if (patch[key] === undefined) delete body[key]
    return requestOf(body, this.spliced(patch), this.view)
  }

  mapText(map: (text: string, role: string) => string): Request {
    return unlessTooDeep(() => this.with(this.view.mapText(this.body, map)))
  }

  withParameters(parameters: ChangedParameters): Request {
    const patch: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(parameters)) {
      const fields = [this.view.fields[name as keyof ChangedParameters] ?? []].flat()
      const [first] = fields
      if (first === undefined) throw new SignalboxError('untranslatable', `The dialect has no ${name}`, { param: name })
      const given = fields.filter((field) => hasValue(this.body[field]))
      for (const field of given) patch[field] = undefined
      patch[given[0] ?? first] = value
    }
    return this.with(patch)
  }

  /** Lets go of what can be read again from bytes that stay as they are. */
  forget(): void {
    if (!this.isOurs && !this.sent) return
    this.bodyRead = this.messagesRead = this.mediaRead = undefined
  }

  /** The bytes with these fields written into them; the request itself stays as it is. */
  spliced(patch: JsonBody): Uint8Array {
    if (Object.keys(patch).length === 0) return this.bytes
    return splice(this.bytes, layoutOf(this.bytes), patch)
  }
}

/**
 * Reads a JSON body that must be an object with a `model`.
 *
 * @throws SignalboxError `invalid_json` or `invalid_body`
 */
export function parseJsonRequest(input: Uint8Array | object, view: RequestView): JsonRequest {
  const bytes = input instanceof Uint8Array ? input : undefined
  const body: unknown = bytes ? parseJson(bytes) : input
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SignalboxError('invalid_body', `The request body must be a JSON object, got ${kindOf(body)}`)
  }
  const { model } = body as { model?: unknown }
  if (typeof model !== 'string' || model === '') {
    throw new SignalboxError('invalid_body', `The field "model" must be a non-empty string, got ${kindOf(model)}`, {
      param: 'model',
    })
  }
  return requestOf(body as JsonBody, bytes, view)
}

const requestOf = (body: JsonBody, bytes: Uint8Array | undefined, view: RequestView) =>
  new JsonRequest({ model: body['model'] as string, view }, { body, bytes })

/** The most fields that the objects of a body may have together: more would hold up the process for too long. */
const mostFields = 50_000
/** The most values that stand in a body, those of lists included: each may become a message, or a part of one. */
const mostValues = 500_000
/** No body below has too many. */
const leastBytesOfTooMany = 4 * mostFields

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > leastBytesOfTooMany) {
    const { fields, values } = countFields(bytes)
    if (fields > mostFields) throw tooMany(mostFields, 'fields')
    if (values > mostValues) throw tooMany(mostValues, 'values')
  }
  try {
    return JSON.parse(jsonIn(bytes)) as unknown
  } catch (cause) {
    throw new SignalboxError(
      'invalid_json',
      bytes.length === 0 ? 'The request body is empty' : 'The request body is not valid JSON',
      { cause },
    )
  }
}

const tooMany = (most: number, what: string) =>
  new SignalboxError('invalid_body', `The request body has more than ${most} ${what}`)

/**
 * What reads or writes all of a body, however deep.
 *
 * @throws SignalboxError `invalid_body` where it is deeper than the stack: JSON may be parsed to any depth
 */
export function unlessTooDeep<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new SignalboxError('invalid_body', 'The request body is nested too deep', { cause })
  }
}

function writeJson(body: JsonBody): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(body))
  } catch (cause) {
    throw new SignalboxError('invalid_body', 'The request body cannot be written as JSON', { cause })
  }
}

const kindOf = (value: unknown) =>
  value === undefined
    ? 'nothing'
    : value === null
      ? 'null'
      : Array.isArray(value)
        ? 'an array'
        : value === ''
          ? 'an empty string'
          : typeof value === 'object'
            ? 'an object'
            : `a ${typeof value}`
