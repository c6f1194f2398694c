import { bufferOf } from '../buffer.ts'
import { SignalboxError, brokenOff } from '../errors.ts'
import { PushStream } from '../stream.ts'
import type { ByteStream, Reply, Sink } from '../types.ts'
import type { Dialect } from './dialect.ts'
import { isRecord, parseExactly, parseJson } from './json.ts'
import { SseFramer, parseEvent } from './sse.ts'
import { type LossList, namesOfLosses } from './loss-list.ts'
import type { Asked, Translation } from './translation.ts'

/** A reply's way from the model's dialect to the caller's. */
export interface ReplyTranslation {
  readonly from: Dialect
  readonly to: Dialect
  readonly reader: Translation
  readonly writer: Translation
  readonly asked: Asked
  /**
   * Takes what the answer has that the caller's dialect has no words for. The head of a stream is out before that is known:
   * a comment before its end tells of it.
   */
  readonly losses: LossList
}

/**
 * Writes a reply in the caller's dialect: a plain one at once, a stream event by event as it comes.
 *
 * @throws SignalboxError `bad_upstream_response` where the body is no answer
 */
export function translateReply(reply: Reply, way: ReplyTranslation): Reply {
  const { to } = way
  if (!(reply.body instanceof Uint8Array)) {
    return { ...reply, dialect: to.name, headers: streamHeaders, body: translateStream(reply.body, reply, way) }
  }
  const body = parseExactly(bufferOf(reply.body).toString())
  const answer = isRecord(body) ? way.reader.readAnswer(body, way.losses) : undefined
  if (!answer) {
    const message = 'The provider gave no answer that could be translated'
    throw new SignalboxError('bad_upstream_response', message, { model: reply.model, reason: 'shape' })
  }
  const written = Buffer.from(JSON.stringify(way.writer.writeAnswer(answer, way.asked)))
  return { ...reply, dialect: to.name, headers: plainHeaders, body: written }
}

const plainHeaders = { 'content-type': 'application/json' }
const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8' }

function translateStream(body: ByteStream, { cancel }: Pick<Reply, 'cancel'>, way: ReplyTranslation): ByteStream {
  const framer = new SseFramer()
  const translate = eventTranslator(way)
  let onDrain: (() => void) | undefined
  const out = new PushStream({
    pause: () => undefined,
    resume() {
      const resume = onDrain
      onDrain = undefined
      resume?.()
    },
    cancel,
  })
  const sink: Sink = {
    write(chunk) {
      let written = ''
      framer.push(chunk, (event) => (written += translate(event)))
      if (written !== '') out.push(Buffer.from(written))
      return !out.isPaused
    },
    once: (_event, listener) => (onDrain = listener),
  }
  const breakOff = (error: unknown) => {
    out.push(way.to.errorEvent(brokenOff(error)))
    out.end()
  }
  body.to(sink).then(() => out.end(), breakOff)
  return out
}

/** Makes what turns one event after the other into text of the other dialect. */
function eventTranslator({ from, to, reader, writer, asked, losses }: ReplyTranslation): (event: Uint8Array) => string {
  const read = reader.stepReader(losses)
  const { write } = writer.stepWriter(asked)
  return (bytes) => {
    const event = parseEvent(bytes)
    const { kind, error } = from.classifyEvent(event)
    if (kind === 'malformed') return ''
    if (error) return to.toldEvent(error)
    if (event.data === undefined) return ': \n\n'
    return read(event)
      .map((step) => (step.type === 'end' ? dropped(losses) : '') + write(step))
      .join('')
  }
}

/** A comment of the stream, which no client shows. */
const dropped = ({ names }: LossList) => (names.size === 0 ? '' : `: x-signalbox-dropped: ${namesOfLosses(names)}\n\n`)

/** What a provider said that refused, in the caller's dialect. */
export function translateError(
  error: SignalboxError,
  { from, to }: Pick<ReplyTranslation, 'from' | 'to'>,
): SignalboxError {
  const { answer } = error
  if (!answer) return error
  const said = from.providerError(parseJson(bufferOf(answer.body).toString()))
  // Some providers say in words only what the caller's clients know by a code.
  const code = said?.code ?? error.reason
  const { status } = answer
  const told = { status, ...(said ?? { message: error.message }), ...(code !== undefined && { code }) }
  const body = Buffer.from(JSON.stringify(to.told(told)))
  error.answer = { status, headers: plainHeaders, body }
  return error
}
