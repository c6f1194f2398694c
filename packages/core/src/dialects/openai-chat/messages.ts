import { isRecord, isText, list, record, text } from '../json.ts'
import type { NeutralMessage, NeutralRequest, Part, ReasoningPart, Source } from '../neutral.ts'
import { type Losses, type WriteContext, runsOf, tellOthers } from '../translation.ts'
import { readDetails, writeDetails } from './reasoning-details.ts'

/** The parts of a message by the wire's `type`, or by the field in which they stand. */
export const readsParts: Readonly<Record<string, Part['type']>> = {
  text: 'text',
  refusal: 'refusal',
  image_url: 'image',
  input_audio: 'audio',
  file: 'file',
  tool_calls: 'tool-call',
  'role tool': 'tool-result',
  'reasoning_content, reasoning_details': 'reasoning',
}

export const writesParts: Partial<Readonly<Record<Part['type'], string>>> = {
  text: 'text',
  refusal: 'refusal',
  image: 'image_url',
  audio: 'input_audio',
  file: 'file',
  'tool-call': 'tool_calls',
  'tool-result': 'role tool',
  reasoning: 'reasoning_content, reasoning_details',
}

/** Reads the messages of a request. A system message that comes first stands outside the conversation. */
export function readConversation(value: unknown, losses: Losses): NeutralRequest | undefined {
  if (!Array.isArray(value)) return undefined
  const messages = value.map((message: unknown) => readMessage(record(message), losses))
  const [first, ...rest] = messages
  if (first?.role !== 'system') return { messages }
  return { system: first.parts.filter((part) => part.type === 'text'), messages: rest }
}

/** The fields of a message that are read, or told of by themselves. */
const ofMessage = [
  'role',
  'content',
  'name',
  'tool_calls',
  'tool_call_id',
  'refusal',
  'function_call',
  'audio',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
]

function tellOfMessage(message: Readonly<Record<string, unknown>>, losses: Losses): void {
  tellOthers('messages[]', message, ofMessage, losses)
  for (const part of list(message['content']).map(record)) {
    const type = text(part['type'])
    // A part has one field, which is called as its type is.
    if (Object.hasOwn(readsParts, type)) tellOthers('messages[].content[]', part, ['type', type], losses)
  }
}

function readMessage(message: Readonly<Record<string, unknown>>, losses: Losses): NeutralMessage {
  const { role, content, name } = message
  if (isText(name) && role !== 'tool') losses.skip('messages[].name')
  tellOfMessage(message, losses)
  const parts = readContent(content, losses)
  if (role === 'tool')
    return { role: 'user', parts: [{ type: 'tool-result', id: text(message['tool_call_id']), parts }] }
  if (role === 'assistant') return { role, parts: [...readReasoning(message), ...parts, ...readOwn(message, losses)] }
  if (role === 'system' || role === 'developer') return { role, parts }
  if (role !== 'user') losses.lose(`messages[].role ${text(role)}`)
  return { role: 'user', parts }
}

/** What an assistant's message has besides its content. */
function readOwn(message: Readonly<Record<string, unknown>>, losses: Losses): Part[] {
  const { lose } = losses
  if (record(message['function_call'])['name'] !== undefined) lose('messages[].function_call')
  if (record(message['audio'])['id'] !== undefined) lose('messages[].audio')
  return [
    ...(isText(message['refusal']) ? [{ type: 'refusal', text: message['refusal'] } as const] : []),
    ...readCalls(message['tool_calls'], losses),
  ]
}

/** Reads tool calls. */
export function readCalls(value: unknown, losses?: Losses): Extract<Part, { type: 'tool-call' }>[] {
  return list(value).flatMap((one) => {
    const { id, type, function: called } = record(one)
    const { name, arguments: given } = record(called)
    if (type !== undefined && type !== 'function') {
      losses?.lose(`messages[].tool_calls[].${text(type)}`)
      return []
    }
    tellOfCall(record(one), losses)
    return [{ type: 'tool-call', id: text(id), name: text(name), arguments: argumentsIn(given) } as const]
  })
}

/** Tells of what a call has besides what it is: Gemini's signature, above all. */
export function tellOfCall(call: Readonly<Record<string, unknown>>, losses: Losses | undefined): void {
  if (losses) tellOthers('messages[].tool_calls[]', call, ['id', 'index', 'type', 'function'], losses)
}

/** The arguments of a call as JSON. Some providers write an object where a text belongs, and nothing where there are none. */
export const argumentsIn = (given: unknown): string =>
  isRecord(given) ? JSON.stringify(given) : text(given).trim() === '' ? '{}' : text(given)

/** Reads what a model thought, with its proofs. */
export function readReasoning(message: Readonly<Record<string, unknown>>): ReasoningPart[] {
  const thought = [message['reasoning_content'], message['reasoning']].find(isText)
  return readDetails(message['reasoning_details'], thought)
}

/** What a model thought, in content as Mistral has it: a part that holds parts. */
export const thoughtIn = ({ type, thinking }: Readonly<Record<string, unknown>>): string | undefined =>
  type === 'thinking'
    ? list(thinking)
        .map((part) => text(record(part)['text']))
        .join('')
    : undefined

/** Reads the content of a message. */
export function readContent(content: unknown, losses?: Losses): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return list(content).flatMap((part) => readPart(record(part), losses))
}

function readPart(part: Readonly<Record<string, unknown>>, losses: Losses | undefined): Part[] {
  const { type } = part
  if (type === 'text') return [{ type, text: text(part['text']) }]
  if (type === 'thinking') return [{ type: 'reasoning', text: thoughtIn(part)! }]
  if (type === 'refusal') return [{ type, text: text(part['refusal']) }]
  if (type === 'image_url') return readImage(part['image_url'])
  if (type === 'input_audio') {
    const { format, data } = record(part['input_audio'])
    return [{ type: 'audio', format: text(format), data: text(data) }]
  }
  const { file_data: data, filename, file_id: id } = record(part['file'])
  if (type === 'file' && isText(data)) {
    return [{ type, source: sourceOf(data), ...(isText(filename) && { name: filename }) }]
  }
  losses?.lose(`messages[].content[].${text(type)}${isText(id) ? '.file_id' : ''}`)
  return []
}

/** Some take the link by itself. */
function readImage(image: unknown): Part[] {
  const { url, detail } = isText(image) ? { url: image } : record(image)
  return [{ type: 'image', source: sourceOf(text(url)), ...(isText(detail) && detail !== 'auto' && { detail }) }]
}

/** Where a URL says the content is: in itself, or elsewhere. */
export function sourceOf(url: string): Source {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url)
  return match ? { mediaType: match[1]!, data: url.slice(match[0].length) } : { url }
}

/** A source as a URL. */
export const urlOf = (source: Source) =>
  'url' in source ? source.url : `data:${source.mediaType};base64,${source.data}`

/** Writes the messages of a request, its instructions first. */
export function writeMessages(context: WriteContext): object[] {
  const { system = [], messages = [] } = context.request
  const first: NeutralMessage[] = system.length > 0 ? [{ role: 'system', parts: system }] : []
  return [...first, ...resultsTogether(messages)].flatMap((message) => writeMessage(message, context))
}

/** OpenAI wants all results of tools right behind the calls. Others let what else the user says stand between them. */
function resultsTogether(messages: readonly NeutralMessage[]): readonly NeutralMessage[] {
  const turns = runsOf(messages, (one, before) => one.role === 'user' && before.role === 'user')
  return turns.flatMap((turn) =>
    turn.some(hasResults) ? { role: 'user', parts: turn.flatMap(({ parts }) => parts) } : turn,
  )
}

const hasResults = ({ parts }: NeutralMessage) => parts.some(({ type }) => type === 'tool-result')

function writeMessage({ role, parts }: NeutralMessage, context: WriteContext): object[] {
  if (role === 'assistant') return writeAssistant(parts, context)
  if (role !== 'user') {
    const known = role === 'developer' && context.target.provider !== 'openai' ? 'system' : role
    return [{ role: known, content: writeContent(parts, context) }]
  }
  const results = parts.filter((part) => part.type === 'tool-result')
  const pictures = results.flatMap((result) => result.parts.filter(({ type }) => type !== 'text'))
  const rest = [...pictures, ...parts.filter(({ type }) => type !== 'tool-result')]
  return [
    ...results.map((result) => {
      if (result.isError) context.skip('messages[].content[].is_error')
      const said = result.parts.filter(({ type }) => type === 'text')
      return { role: 'tool', tool_call_id: result.id, content: writeContent(said, context) }
    }),
    ...(rest.length > 0 || results.length === 0 ? [{ role, content: writeContent(rest, context) }] : []),
  ]
}

/** What an assistant's message may hold. */
const ofAssistant: ReadonlySet<Part['type']> = new Set(['text', 'refusal', 'reasoning', 'tool-call'])

/** None where only thoughts were in it: OpenAI refuses a message that says nothing. */
function writeAssistant(parts: readonly Part[], context: WriteContext): object[] {
  const calls = parts.filter((part) => part.type === 'tool-call')
  const reasoning = parts.filter((part) => part.type === 'reasoning')
  const own = reasoning.filter(({ proof }) => proof === undefined || proof.of === 'openai-chat')
  if (own.length < reasoning.length) context.skip('messages[].content[].thinking')
  const said = parts.filter(({ type }) => type === 'text' || type === 'refusal')
  for (const { type } of parts) if (!ofAssistant.has(type)) context.lose(`messages[].content[].${type}`)
  if (said.length + calls.length === 0) return []
  return [
    {
      role: 'assistant',
      content: said.length === 0 ? null : writeContent(said, context),
      ...(own.length > 0 && calls.length > 0 && { reasoning_content: own.map((part) => part.text).join('') }),
      ...(calls.length > 0 && { tool_calls: calls.map(writeCall) }),
    },
  ]
}

/** Writes a tool call. */
export const writeCall = ({ id, name, arguments: given }: Extract<Part, { type: 'tool-call' }>) => ({
  id,
  type: 'function',
  function: { name, arguments: given },
})

function writeContent(parts: readonly Part[], context: WriteContext): string | object[] {
  const [only] = parts
  if (!only) return ''
  if (parts.length === 1 && only.type === 'text') return only.text
  return parts.flatMap((part) => writePart(part, context))
}

function writePart(part: Part, { lose }: WriteContext): object[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }]
  if (part.type === 'refusal') return [{ type: 'refusal', refusal: part.text }]
  if (part.type === 'image') {
    const { source, detail } = part
    return [{ type: 'image_url', image_url: { url: urlOf(source), ...(detail && { detail }) } }]
  }
  if (part.type === 'audio') return [{ type: 'input_audio', input_audio: { data: part.data, format: part.format } }]
  if (part.type === 'file' && !('url' in part.source)) {
    return [{ type: 'file', file: { filename: part.name ?? 'file', file_data: urlOf(part.source) } }]
  }
  lose(`messages[].content[].${part.type}`)
  return []
}

/** What an answer's message says of what the model thought. */
export function writeReasoning(parts: readonly Part[]): object {
  const reasoning = parts.filter((part) => part.type === 'reasoning')
  const details = writeDetails(reasoning)
  const thought = reasoning.map((part) => part.text).join('')
  return {
    ...(thought !== '' && { reasoning_content: thought }),
    ...(details.length > 0 && { reasoning_details: details }),
  }
}
