import { bufferOf } from '../buffer.ts'
import { dialects } from '../dialects/index.ts'
import { parseExactly } from '../dialects/json.ts'
import { SseFramer } from '../dialects/sse.ts'
import { isRecord } from '../is-record.ts'
import { streamOf } from '../reply.ts'
import type { Reply } from '../types.ts'
import { type IsText, eachText } from './each-text.ts'
import { type MapText, TextStream } from './text-stream.ts'

export type { MapText }

/** Options of {@link mapAnswerText}. */
export interface AnswerTextOptions {
  /**
   * How many characters at the end of a piece may belong to something that is not whole yet, such as a word: they wait for
   * the next piece of that text, and come with it. They wait for no more than 32 events, and where they are more than 256
   * not at all.
   *
   * @default none
   */
  readonly hold?: (text: string) => number
  /**
   * Which strings are text, by the name of their field and what it stands in.
   *
   * @default what the model says, refusals among it; not what it thinks, what it gives tools, or `logprobs`
   */
  readonly isText?: (field: string, holder: Readonly<Record<string, unknown>>) => boolean
}

/**
 * The reply with its texts changed, whatever its dialect. A stream stays one: each event goes on as soon as nothing in it
 * waits, and an event in which nothing changes goes on as it came. Embeddings have no text.
 *
 * @example
 * const masked = mapAnswerText(reply, (text) => text.replaceAll(/\bfalcon\b/gi, '***'), {
 *   hold: (text) => /\w*$/.exec(text)![0].length,
 * })
 */
export function mapAnswerText(reply: Reply, map: MapText, { hold, isText: isOwnText }: AnswerTextOptions = {}): Reply {
  const { body, dialect } = reply
  if (dialects[dialect].surface !== 'chat') return reply
  const isText: IsText = isOwnText ? ({ name, holder }) => isOwnText(name, holder) : dialects[dialect].isSaid
  if (body instanceof Uint8Array) return { ...reply, body: mapBody(body, map, isText) }
  return { ...reply, body: streamOf(mapStream(body, new TextStream({ map, isText, hold }))) }
}

function mapBody(body: Uint8Array, map: MapText, isText: IsText): Uint8Array {
  const data = parseExactly(bufferOf(body).toString())
  if (!isRecord(data)) return body
  let isChanged = false
  eachText(data, isText, ({ text, write, put }) => {
    const mapped = map(text, write)
    if (mapped === text) return
    put(mapped)
    isChanged = true
  })
  return isChanged ? Buffer.from(JSON.stringify(data)) : body
}

async function* mapStream(
  chunks: AsyncIterable<Uint8Array>,
  texts: TextStream,
): AsyncGenerator<Uint8Array, void, undefined> {
  const framer = new SseFramer()
  for await (const chunk of chunks) {
    const ready: Uint8Array[] = []
    framer.push(chunk, (event) => ready.push(...texts.push(event)))
    if (ready.length > 0) yield Buffer.concat(ready)
  }
  const last = texts.end(framer.rest())
  if (last.length > 0) yield Buffer.concat(last)
}
