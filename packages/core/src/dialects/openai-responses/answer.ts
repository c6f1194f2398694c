import { bufferOf } from '../../buffer.ts'
import type { AnswerClass, EventClass, SseEvent } from '../dialect.ts'
import { isRecord, isText, list, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import { providerError } from '../openai-chat/answer.ts'
import { usageIn } from './usage.ts'

/** Reads one event of a stream. https://platform.openai.com/docs/api-reference/responses-streaming */
export function classifyEvent({ event, data }: SseEvent): EventClass {
  if (data === undefined || data === '') return { kind: 'ping' }
  const body = parseJson(data)
  if (!isRecord(body)) return { kind: 'malformed' }
  const type = text(body['type']) || (event ?? '')
  if (type === 'error') return { kind: 'error', error: providerError(body) ?? errorOf(body) }
  if (type === 'response.failed') return failed(record(body['response']))
  if (type === 'response.completed' || type === 'response.incomplete') return ended(record(body['response']))
  if (type === 'response.output_item.added') return added(record(body['item']))
  if (type === 'response.output_item.done') return done(record(body['item']))
  const kind = Object.hasOwn(deltas, type) ? deltas[type]! : undefined
  if (!kind) return { kind: type === 'response.created' ? 'role' : 'ping' }
  const delta = text(body['delta'])
  return delta === '' ? { kind: 'ping' } : { kind, textLength: Buffer.byteLength(delta) }
}

const deltas: Readonly<Record<string, EventClass['kind']>> = {
  'response.output_text.delta': 'content',
  'response.refusal.delta': 'content',
  'response.reasoning_text.delta': 'reasoning',
  'response.reasoning_summary_text.delta': 'reasoning',
  'response.function_call_arguments.delta': 'tool',
  'response.custom_tool_call_input.delta': 'tool',
}

const errorOf = ({ message, code }: JsonBody) => ({
  message: isText(message) ? message : 'The provider reported an error',
  ...(isText(code) && { code }),
})

function failed(response: JsonBody): EventClass {
  const usage = usageIn(response)
  return { kind: 'error', error: errorOf(record(response['error'])), ...(usage && { usage }) }
}

function ended(response: JsonBody): EventClass {
  const usage = usageIn(response)
  return { kind: 'done', finishes: [0], ...(usage && { usage }) }
}

const added = ({ type, name }: JsonBody): EventClass =>
  type === 'message' || type === 'reasoning'
    ? { kind: 'role' }
    : { kind: 'tool', textLength: Buffer.byteLength(text(name)) }

const done = ({ type, encrypted_content: cipher }: JsonBody): EventClass => ({
  kind: type === 'reasoning' && isText(cipher) ? 'reasoning' : 'ping',
})

/** Reads a plain answer. */
export function classifyAnswer(body: Uint8Array): AnswerClass {
  if (body.length === 0) return { fault: 'empty' }
  const answer = parseJson(bufferOf(body).toString())
  if (answer === undefined) return { fault: 'parse' }
  const usage = usageIn(record(answer))
  const error = providerError(answer)
  if (error) return { error, ...(usage && { usage }) }
  if (!isRecord(answer) || !Array.isArray(answer['output'])) return { fault: 'shape' }
  if (usage) return { usage }
  return { textLength: list(answer['output']).reduce<number>((sum, item) => sum + lengthOf(record(item)), 0) }
}

/** The length of what an item says, in bytes of UTF-8. */
function lengthOf(item: JsonBody): number {
  const said = [...list(item['content']), ...list(item['summary'])].map(record)
  const texts = [...said.map((part) => part['text'] ?? part['refusal']), item['name'], item['arguments']]
  return texts.reduce<number>((sum, one) => sum + Buffer.byteLength(text(one)), 0)
}
