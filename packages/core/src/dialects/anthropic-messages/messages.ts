import { isRecord, isText, list, parseExactly, record, text } from '../json.ts'
import type { NeutralMessage, Part, Source, TextPart } from '../neutral.ts'
import { argumentsIn } from '../openai-chat/messages.ts'
import { sealed, unsealed } from '../proof.ts'
import { type Losses, type WriteContext, runsOf, tellOthers } from '../translation.ts'

const dialect = 'anthropic-messages'

/** The blocks of a message by the wire's `type`. */
export const readsParts: Readonly<Record<string, Part['type']>> = {
  text: 'text',
  image: 'image',
  document: 'file',
  tool_use: 'tool-call',
  tool_result: 'tool-result',
  thinking: 'reasoning',
  redacted_thinking: 'reasoning',
}

export const writesParts: Partial<Readonly<Record<Part['type'], string>>> = {
  text: 'text',
  refusal: 'text',
  image: 'image',
  file: 'document',
  'tool-call': 'tool_use',
  'tool-result': 'tool_result',
  reasoning: 'thinking, redacted_thinking',
}

type Block = Readonly<Record<string, unknown>>

/** Reads the instructions. */
export function readSystem(value: unknown, { skip }: Losses): readonly TextPart[] {
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', text: value }]
  return list(value).map((block) => {
    if (record(block)['cache_control']) skip('system[].cache_control')
    return { type: 'text', text: text(record(block)['text']) }
  })
}

/** Reads the messages of a request. */
export function readMessages(value: unknown, losses: Losses): readonly NeutralMessage[] | undefined {
  if (!Array.isArray(value)) return undefined
  // It begins the answer, and the model goes on with it: others answer it.
  if (record(value.at(-1))['role'] === 'assistant') losses.lose('messages[].prefill')
  return value.map((message: unknown) => {
    const { role, content } = record(message)
    for (const block of list(content)) tellOfBlock(record(block), losses)
    const parts = readContent(content, losses)
    return { role: role === 'assistant' || role === 'system' ? role : 'user', parts }
  })
}

/** The fields of a block that are read, by its type, and those that say only what is known anyway. */
const ofBlock: Readonly<Record<string, readonly string[]>> = {
  text: ['text', 'citations'],
  image: ['source'],
  document: ['source', 'title', 'citations'],
  tool_use: ['id', 'name', 'input', 'caller'],
  tool_result: ['tool_use_id', 'content', 'is_error'],
  thinking: ['thinking', 'signature'],
  redacted_thinking: ['data'],
}

function tellOfBlock(block: Block, losses: Losses): void {
  const type = text(block['type'])
  const known = Object.hasOwn(ofBlock, type) ? ofBlock[type]! : Object.keys(block)
  tellOthers('messages[].content[]', block, ['type', ...known], losses)
  if (record(block['citations'])['enabled'] === true) losses.lose('messages[].content[].citations')
  if (type === 'tool_result') for (const inner of list(block['content'])) tellOfBlock(record(inner), losses)
}

/** Reads the content of a message, or of an answer. */
export function readContent(content: unknown, losses?: Losses): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return list(content).flatMap((block) => readBlock(record(block), losses))
}

function readBlock(block: Block, losses: Losses | undefined): Part[] {
  const { type } = block
  switch (type) {
    case 'text':
      if (list(block['citations']).length > 0) losses?.skip('messages[].content[].citations')
      return [{ type, text: text(block['text']) }]
    case 'tool_use':
      return [
        {
          type: 'tool-call',
          id: text(block['id']),
          name: text(block['name']),
          arguments: argumentsIn(block['input']),
        },
      ]
    case 'tool_result': {
      const isError = block['is_error'] === true
      const parts = readContent(block['content'], losses)
      return [{ type: 'tool-result', id: text(block['tool_use_id']), parts, ...(isError && { isError }) }]
    }
    case 'thinking': {
      const proof = unsealed(text(block['signature']), dialect, 'signature')
      return [{ type: 'reasoning', text: text(block['thinking']), ...(proof && { proof }) }]
    }
    case 'redacted_thinking': {
      const proof = unsealed(text(block['data']), dialect, 'cipher')
      return [{ type: 'reasoning', text: '', ...(proof && { proof }) }]
    }
    default: {
      const part = readMedia(block)
      if (!part) losses?.lose(`messages[].content[].${text(type)}`)
      if (part?.type === 'text' && isText(block['title'])) losses?.skip('messages[].content[].title')
      return part ? [part] : []
    }
  }
}

function readMedia({ type, source: given, title }: Block): Part | undefined {
  const source = readSource(record(given))
  if (type === 'document' && record(given)['type'] === 'text')
    return { type: 'text', text: text(record(given)['data']) }
  if (!source || (type !== 'image' && type !== 'document')) return undefined
  return type === 'image' ? { type, source } : { type: 'file', source, ...(isText(title) && { name: title }) }
}

function readSource({ type, media_type: mediaType, data, url }: Block): Source | undefined {
  if (type === 'base64') return { mediaType: text(mediaType), data: text(data) }
  return type === 'url' ? { url: text(url) } : undefined
}

/** Writes the messages of a request, and all its instructions as `system`. */
export function writeConversation(context: WriteContext): Record<string, unknown> {
  const { system = [], messages = [], responseFormat } = context.request
  const instructions = [...system, ...messages.filter(instructs).flatMap(({ parts }) => parts)]
  const told = responseFormat?.type === 'json' ? [...instructions, answerInJson] : instructions
  return {
    ...(told.length > 0 && { system: writeBlocks(told, context) }),
    messages: mergeRoles(
      messages.filter((message) => !instructs(message)).map((message) => writeMessage(message, context)),
    ),
  }
}

const instructs = ({ role }: NeutralMessage) => role === 'system' || role === 'developer'

/** Anthropic has JSON by schema only. */
const answerInJson: TextPart = { type: 'text', text: 'Answer with one JSON object and nothing else.' }

interface WrittenMessage {
  readonly role: string
  readonly content: readonly object[]
}

function writeMessage({ role, parts }: NeutralMessage, context: WriteContext): WrittenMessage {
  return { role, content: writeBlocks(parts, context) }
}

/** Results of tools that were called together must stand together and first, and roles alternate. */
function mergeRoles(messages: readonly WrittenMessage[]): WrittenMessage[] {
  const said = messages.filter(({ content }) => content.length > 0)
  return runsOf(said, (one, before) => one.role === before.role).map((run) => ({
    role: run[0].role,
    content: resultsFirst(run.flatMap(({ content }) => content)),
  }))
}

const isResult = (block: Block) => block['type'] === 'tool_result'

function resultsFirst(content: readonly object[]): readonly object[] {
  const blocks = content.map(record)
  return [...blocks.filter(isResult), ...blocks.filter((block) => !isResult(block))]
}

function writeBlocks(parts: readonly Part[], context: Losses): object[] {
  return parts.flatMap((part) => writeBlock(part, context))
}

function writeBlock(part: Part, losses: Losses): object[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      // Anthropic refuses a block of text that is blank.
      return part.text.trim() === '' ? [] : [{ type: 'text', text: part.text }]
    case 'image':
      if (part.detail) losses.skip('messages[].content[].image_url.detail')
      return [{ type: 'image', source: writeSource(part.source) }]
    case 'file':
      return [{ type: 'document', source: writeSource(part.source), ...(part.name && { title: part.name }) }]
    case 'tool-call':
      return [writeToolUse(part, losses)]
    case 'tool-result': {
      const content = writeBlocks(part.parts, losses)
      return [{ type: 'tool_result', tool_use_id: fitId(part.id), content, ...(part.isError && { is_error: true }) }]
    }
    case 'reasoning':
      if (part.proof?.of === dialect) return [writeThought(part.text, part.proof)]
      losses.skip('messages[].reasoning')
      return []
    case 'audio':
      losses.lose('messages[].content[].input_audio')
      return []
    default:
      return part satisfies never
  }
}

function writeToolUse({ id, name, arguments: given }: Extract<Part, { type: 'tool-call' }>, losses: Losses): object {
  const input = given.trim() === '' ? {} : parseExactly(given)
  if (!isRecord(input)) losses.lose('messages[].tool_calls[].function.arguments')
  return { type: 'tool_use', id: fitId(id), name, input: isRecord(input) ? input : { unparsed: given } }
}

/** An id of only those characters that Anthropic takes; the same one every time. */
const fitId = (id: string) => id.replaceAll(/[^\w-]/g, (character) => `_${character.codePointAt(0)!.toString(16)}_`)

const writeSource = (source: Source) =>
  'url' in source
    ? { type: 'url', url: source.url }
    : { type: 'base64', media_type: source.mediaType, data: source.data }

/** A thought with its proof, be it Anthropic's own, which is in cipher as a whole or not at all, or marked as another's. */
export function writeThought(thought: string, proof: Parameters<typeof sealed>[0]): Block {
  return proof?.kind === 'cipher' && (thought === '' || proof.of === dialect)
    ? { type: 'redacted_thinking', data: sealed(proof, dialect) }
    : { type: 'thinking', thinking: thought, signature: sealed(proof, dialect) }
}
