import { bufferOf } from '../../buffer.ts'
import type { Usage } from '../../types.ts'
import type { AnswerClass, EventClass, ProviderError, SseEvent } from '../dialect.ts'
import { hasValue, isRecord, isText, list, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import { normaliseUsage } from './usage.ts'

/** Reads one event of a stream. https://platform.claude.com/docs/en/build-with-claude/streaming */
export function classifyEvent({ event, data }: SseEvent): EventClass {
  if (data === undefined || data === '') return { kind: 'ping' }
  const body = parseJson(data)
  if (!isRecord(body)) return { kind: 'malformed' }
  const type = text(body['type']) || event
  if (type === 'error')
    return { kind: 'error', error: providerError(body) ?? { message: 'The provider reported an error' } }
  const classify = type !== undefined && Object.hasOwn(classes, type) ? classes[type] : undefined
  return classify ? classify(body) : { kind: 'ping' }
}

const classes: Readonly<Record<string, (body: JsonBody) => EventClass>> = {
  message_start(body) {
    return { kind: 'role', usagePiece: pieceOf(record(body['message'])) }
  },
  content_block_start: (body) => classifyBlock(record(body['content_block'])),
  content_block_delta: (body) => classifyDelta(record(body['delta'])),
  content_block_stop: () => ({ kind: 'ping' }),
  message_delta(body) {
    const finishes = isText(record(body['delta'])['stop_reason'])
    return { kind: finishes ? 'finish' : 'usage', ...(finishes && { finishes: [0] }), usagePiece: pieceOf(body) }
  },
  message_stop: () => ({ kind: 'done' }),
}

/** A block that opens commits where it says something by itself. */
function classifyBlock(block: JsonBody): EventClass {
  const { type } = block
  if (type === 'text')
    return isText(block['text']) ? { kind: 'content', textLength: lengthOf(block) } : { kind: 'role' }
  if (type === 'thinking') return { kind: 'role' }
  if (type === 'redacted_thinking') return { kind: 'reasoning' }
  return { kind: 'tool', textLength: lengthOf(block) }
}

function classifyDelta({ type, text: said, thinking, partial_json: json }: JsonBody): EventClass {
  if (type === 'text_delta') return { kind: isText(said) ? 'content' : 'ping', textLength: bytesIn(said) }
  if (type === 'thinking_delta') return { kind: isText(thinking) ? 'reasoning' : 'ping', textLength: bytesIn(thinking) }
  if (type === 'input_json_delta') return { kind: isText(json) ? 'tool' : 'ping', textLength: bytesIn(json) }
  return { kind: 'ping' }
}

/** Reads a plain answer. */
export function classifyAnswer(body: Uint8Array): AnswerClass {
  if (body.length === 0) return { fault: 'empty' }
  const answer = parseJson(bufferOf(body).toString())
  if (answer === undefined) return { fault: 'parse' }
  const error = providerError(answer)
  const usage = classifyUsage(record(answer))
  if (error) return { error, ...(usage && { usage }) }
  if (!isRecord(answer) || !Array.isArray(answer['content'])) return { fault: 'shape' }
  if (usage) return { usage }
  return { textLength: list(answer['content']).reduce<number>((sum, block) => sum + lengthOf(record(block)), 0) }
}

/** The error in a body: `{ type: "error", error: { type, message, details: { error_code } } }`. */
export function providerError(body: unknown): ProviderError | undefined {
  const { type, error } = record(body)
  if (!isRecord(error) || (type !== 'error' && type !== undefined)) return undefined
  const code = record(error['details'])['error_code']
  return {
    message: isText(error['message']) ? error['message'] : 'The provider gave no message',
    ...(isText(error['type']) && { type: error['type'] }),
    ...(isText(code) && { code }),
  }
}

/** What was used, where a body says so. */
export const classifyUsage = ({ usage }: JsonBody): Usage | undefined => normaliseUsage(usage)

/** What a part of a stream says of it: what it leaves open was said before. */
export const pieceOf = ({ usage }: JsonBody): JsonBody =>
  Object.fromEntries(Object.entries(record(usage)).filter(([, value]) => hasValue(value)))

/** The length of what a block says, in bytes of UTF-8. */
function lengthOf({ type, text: said, thinking, input, name }: JsonBody): number {
  if (type === 'text') return bytesIn(said)
  if (type === 'thinking') return bytesIn(thinking)
  if (input === undefined || Object.keys(record(input)).length === 0) return bytesIn(name)
  return bytesIn(name) + Buffer.byteLength(JSON.stringify(input))
}

const bytesIn = (value: unknown) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)
