import { bufferOf } from '../buffer.ts'
import { defaultMaxBodyBytes } from '../config/defaults.ts'
import { collect } from '../dialects/change-kind.ts'
import { dialects } from '../dialects/index.ts'
import { isRecord, parseJson } from '../dialects/json.ts'
import { SignalboxError } from '../errors.ts'
import { bytesOf, streamOf, streamReply } from '../reply.ts'
import { endOf } from '../sleep.ts'
import type { ByteStream, Call, Reply } from '../types.ts'
import type { VerifiedAnswer } from './verifier.ts'

/** An answer that is all there. */
export interface WholeAnswer {
  /** Gives it to the caller: the very bytes that came. */
  readonly reply: Reply
  /** Undefined where it cannot be read. */
  readonly answer: VerifiedAnswer | undefined
}

/**
 * Reads an answer to its end, plain or streamed.
 *
 * @throws SignalboxError that lets another model be tried, where it breaks off or is too long (32 MiB) to be kept
 */
export async function wholeAnswer(call: Call, reply: Reply): Promise<WholeAnswer> {
  const { body, model } = reply
  if (body instanceof Uint8Array) return { reply, answer: answerIn(body, reply) }
  const chunks = await chunksOf(body, model)
  const { how, usage } = await reply.ended
  if (call.signal.aborted) throw endOf(call.signal)
  if (how !== 'complete') throw broken(`The answer of the model "${model}" broke off before it was verified`, model)
  const asked = { body: call.request.body, startedAt: call.record.startedAt }
  const plain = collect(bytesOf(chunks), dialects[reply.dialect], asked, usage)
  const { status, headers, dialect, ended } = reply
  return {
    reply: streamReply({ status, headers, dialect, model, ended, body: streamOf(chunks) }),
    answer: plain && answerIn(plain, reply),
  }
}

async function chunksOf(body: ByteStream, model: string): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > defaultMaxBodyBytes)
      throw broken(`The answer of the model "${model}" is too long to be verified`, model)
    chunks.push(chunk)
  }
  return chunks
}

const broken = (message: string, model: string) => new SignalboxError('bad_upstream_response', message, { model })

function answerIn(body: Uint8Array, { dialect, model }: Pick<Reply, 'dialect' | 'model'>): VerifiedAnswer | undefined {
  const parsed = parseJson(bufferOf(body).toString())
  const read = isRecord(parsed) ? dialects[dialect].translation?.readAnswer(parsed) : undefined
  if (!read) return undefined
  const { parts, stop } = read
  return {
    model,
    text: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(''),
    toolCalls: parts.flatMap((part) =>
      part.type === 'tool-call' ? [{ name: part.name, arguments: part.arguments }] : [],
    ),
    stop,
  }
}
