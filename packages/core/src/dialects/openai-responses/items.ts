import { isText, list, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { NeutralMessage, Part } from '../neutral.ts'
import { argumentsIn, sourceOf, urlOf } from '../openai-chat/messages.ts'
import { sealed, unsealed } from '../proof.ts'
import { type Losses, type WriteContext, runsOf, tellOthers } from '../translation.ts'
import { itemsOf } from './request.ts'

const dialect = 'openai-responses'

/** The items of the input and the parts of messages, by the wire's `type`. */
export const readsParts: Readonly<Record<string, Part['type']>> = {
  input_text: 'text',
  output_text: 'text',
  refusal: 'refusal',
  input_image: 'image',
  input_audio: 'audio',
  input_file: 'file',
  function_call: 'tool-call',
  function_call_output: 'tool-result',
  reasoning: 'reasoning',
}

export const writesParts: Partial<Readonly<Record<Part['type'], string>>> = {
  text: 'input_text, output_text',
  refusal: 'refusal',
  image: 'input_image',
  file: 'input_file',
  'tool-call': 'function_call',
  'tool-result': 'function_call_output',
  reasoning: 'reasoning',
}

/** Reads the input. What a model said and did in a row is one message, and so are the results of tools. */
export function readItems(input: unknown, losses: Losses): readonly NeutralMessage[] | undefined {
  if (typeof input !== 'string' && !Array.isArray(input)) return undefined
  const messages = itemsOf({ input }).flatMap((item) => readItem(item, losses) ?? [])
  return runsOf(messages, isOneMessage).map((run) => ({ role: run[0].role, parts: run.flatMap(({ parts }) => parts) }))
}

const isOneMessage = (one: NeutralMessage, before: NeutralMessage) =>
  one.role === before.role && (one.role === 'assistant' || (isResults(one) && isResults(before)))

const isResults = ({ parts }: NeutralMessage) => parts.every(({ type }) => type === 'tool-result')

/** The fields of an item that are read, by its type; of what a model said also those that it said besides. */
const ofItem: Readonly<Record<string, readonly string[]>> = {
  message: ['role', 'content', 'phase'],
  function_call: ['call_id', 'name', 'arguments'],
  function_call_output: ['call_id', 'output'],
  reasoning: ['summary', 'content', 'encrypted_content'],
}
const ofPart = [
  'type',
  'text',
  'annotations',
  'logprobs',
  'refusal',
  'image_url',
  'detail',
  'input_audio',
  'file_data',
  'file_url',
  'filename',
  'file_id',
]

function tellOfItem(type: string, item: JsonBody, losses: Losses): void {
  if (!Object.hasOwn(ofItem, type)) return
  tellOthers('input[]', item, ['type', 'id', 'status', ...ofItem[type]!], losses)
  for (const part of [...list(item['content']), ...list(item['output'])])
    tellOthers('input[].content[]', record(part), ofPart, losses)
}

function readItem(item: JsonBody, losses: Losses): NeutralMessage | undefined {
  const { type = 'message', role } = item
  tellOfItem(text(type), item, losses)
  if (type === 'message') {
    const known = role === 'assistant' || role === 'system' || role === 'developer' ? role : 'user'
    return { role: known, parts: readContent(item['content'], losses) }
  }
  if (type === 'function_call_output') {
    const parts = readContent(item['output'], losses)
    return { role: 'user', parts: [{ type: 'tool-result', id: text(item['call_id']), parts }] }
  }
  const part = readOwn(item)
  if (!part) losses.lose(`input[].${text(type)}`)
  return part && { role: 'assistant', parts: [part] }
}

/** Reads what only a model says: a call, or a thought. */
function readOwn(item: JsonBody): Part | undefined {
  const { type } = item
  if (type === 'function_call') {
    return {
      type: 'tool-call',
      id: text(item['call_id']),
      name: text(item['name']),
      arguments: argumentsIn(item['arguments']),
    }
  }
  if (type !== 'reasoning') return undefined
  const thoughts = [...list(item['summary']), ...list(item['content'])].map((part) => text(record(part)['text']))
  const proof = unsealed(text(item['encrypted_content']), dialect, 'cipher')
  const own = proof?.of === dialect && isText(item['id']) ? { id: item['id'], ...proof } : proof
  return { type: 'reasoning', text: thoughts.join('\n\n'), ...(own && { proof: own }) }
}

/** Reads the output of an answer. */
export function readOutput(output: unknown, losses?: Losses): Part[] {
  return list(output)
    .map(record)
    .flatMap((item) => {
      if (item['type'] === 'message') return readContent(item['content'], losses)
      const part = readOwn(item)
      if (!part) losses?.lose(`output[].${text(item['type'])}`)
      return part ? [part] : []
    })
}

function readContent(content: unknown, losses?: Losses): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return list(content).flatMap((part) => readPart(record(part), losses))
}

function readPart(part: JsonBody, losses: Losses | undefined): Part[] {
  const { type, image_url: image, detail, file_data: data, file_url: url, filename } = part
  if (type === 'input_text' || type === 'output_text' || type === 'text') {
    if (list(part['annotations']).length > 0) losses?.skip('output[].content[].annotations')
    return [{ type: 'text', text: text(part['text']) }]
  }
  if (type === 'refusal') return [{ type, text: text(part['refusal']) }]
  if (type === 'input_image' && isText(image)) {
    return [{ type: 'image', source: sourceOf(image), ...(isText(detail) && detail !== 'auto' && { detail }) }]
  }
  if (type === 'input_audio') {
    const { format, data: sound } = record(part['input_audio'])
    return [{ type: 'audio', format: text(format), data: text(sound) }]
  }
  const file = [data, url].find(isText)
  if (type === 'input_file' && file !== undefined) {
    return [{ type: 'file', source: sourceOf(file), ...(isText(filename) && { name: filename }) }]
  }
  losses?.lose(`input[].content[].${text(type)}${isText(part['file_id']) ? '.file_id' : ''}`)
  return []
}

/** Writes the conversation as items. */
export function writeItems(messages: readonly NeutralMessage[], context: WriteContext): object[] {
  return messages.flatMap(({ role, parts }) => {
    const items: object[] = []
    let content: object[] = []
    const flush = () => {
      if (content.length > 0) items.push({ type: 'message', role, content })
      content = []
    }
    for (const part of parts) {
      const item = writeItem(part, context)
      if (item === undefined) content.push(...writePart(part, role, context))
      else {
        flush()
        items.push(...item)
      }
    }
    flush()
    return items
  })
}

/** A part that is an item by itself; undefined for one that stands in a message. */
function writeItem(part: Part, context: WriteContext): object[] | undefined {
  if (part.type === 'tool-call') {
    return [{ type: 'function_call', call_id: part.id, name: part.name, arguments: part.arguments }]
  }
  if (part.type === 'tool-result') {
    if (part.isError) context.skip('messages[].content[].is_error')
    return [{ type: 'function_call_output', call_id: part.id, output: writeResult(part.parts, context) }]
  }
  if (part.type !== 'reasoning') return undefined
  if (part.proof?.of === dialect) return [writeThought(part, 'rs_0')]
  context.skip('messages[].reasoning')
  return []
}

function writeResult(parts: readonly Part[], context: WriteContext): string | object[] {
  const [only] = parts
  if (!only) return ''
  return parts.length === 1 && only.type === 'text'
    ? only.text
    : parts.flatMap((part) => writePart(part, 'user', context))
}

function writePart(part: Part, role: NeutralMessage['role'], { lose }: Losses): object[] {
  if (part.type === 'text') return [{ type: role === 'assistant' ? 'output_text' : 'input_text', text: part.text }]
  if (part.type === 'refusal') return [{ type: 'refusal', refusal: part.text }]
  if (part.type === 'image') {
    return [{ type: 'input_image', image_url: urlOf(part.source), detail: part.detail ?? 'auto' }]
  }
  if (part.type === 'file') {
    const { source, name = 'file' } = part
    return [
      'url' in source
        ? { type: 'input_file', file_url: source.url }
        : { type: 'input_file', filename: name, file_data: urlOf(source) },
    ]
  }
  lose(`messages[].content[].${part.type}`)
  return []
}

/** A thought as an item, with its proof: OpenAI's own, or one that is marked as another's. */
export function writeThought({ text: thought, proof }: Extract<Part, { type: 'reasoning' }>, id: string): object {
  return {
    type: 'reasoning',
    id: (proof?.of === dialect && proof.id) || id,
    summary: thought === '' ? [] : [{ type: 'summary_text', text: thought }],
    ...(proof && { encrypted_content: sealed(proof, dialect) }),
  }
}
