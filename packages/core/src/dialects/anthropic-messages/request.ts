import type { MediaPart } from '../../tokens/bounds.ts'
import type { Message, Modality, Parameters, Tool } from '../../types.ts'
import { count, isText, list, number, record, text } from '../json.ts'
import { mapContent, mapFields } from '../map-text.ts'
import { type JsonBody, type RequestView, messageWith } from '../json-request.ts'

/** The output that a model may write of which nobody said how much it may: the field cannot be left out. */
export const usualMaxTokens = 16_384

/** How a body of Anthropic's messages is read. */
export const messagesView: RequestView = {
  messages: (body) => [...systemOf(body), ...list(body['messages']).map(messageOf)],
  tools: (body) => list(body['tools']).flatMap(toolOf),
  parameters: parametersOf,
  modality: (body) => new Set<Modality>(['text', ...mediaIn(body).map(([kind]) => kind)]),
  media: (body) => ({
    parts: mediaIn(body).map(([kind]) => ({ kind })) satisfies MediaPart[],
    bytes: mediaIn(body).reduce((sum, [, bytes]) => sum + bytes, 0),
  }),
  mapText: ({ system, messages }, map) => ({
    ...(system !== undefined && { system: mapContent(system, (said) => map(said, 'system')) }),
    messages: list(messages).map((message) =>
      mapFields(message, ['content'], (said) => map(said, text(record(message)['role']))),
    ),
  }),
  fields: { maxOutputTokens: 'max_tokens', temperature: 'temperature', topP: 'top_p', stop: 'stop_sequences' },
}

function systemOf({ system }: JsonBody): Message[] {
  const said = textOf(system)
  return said === '' ? [] : [{ role: 'system', text: said }]
}

function messageOf(value: unknown): Message {
  const { role, content } = record(value)
  return messageWith(text(role), textOf(content), list(content).map(record).flatMap(unspokenIn))
}

const unspokenIn = ({ type, name, input, thinking }: JsonBody): unknown[] =>
  type === 'thinking' ? [thinking] : input === undefined ? [] : [name, JSON.stringify(input)]

/** All text in content: of its blocks, of the results of tools and searches, and of documents that are text. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  return list(content)
    .map(record)
    .map((block) => {
      if (block['type'] !== 'document') return text(block['text']) || textOf(block['content'])
      const { type, data, content: inner } = record(block['source'])
      return type === 'text' ? text(data) : textOf(inner)
    })
    .filter((said) => said !== '')
    .join('\n')
}

function toolOf(value: unknown): Tool[] {
  const { name, description, input_schema: inputSchema } = record(value)
  if (!isText(name)) return []
  return [{ name, ...(isText(description) && { description }), ...(inputSchema !== undefined && { inputSchema }) }]
}

function parametersOf(body: JsonBody): Parameters {
  const parameters: { -readonly [Name in keyof Parameters]: Parameters[Name] } = { stream: body['stream'] === true }
  const maxOutputTokens = count(body['max_tokens'])
  const temperature = number(body['temperature'])
  const topP = number(body['top_p'])
  const stop = list(body['stop_sequences']).filter(isText)
  if (maxOutputTokens !== undefined) parameters.maxOutputTokens = maxOutputTokens
  if (temperature !== undefined) parameters.temperature = temperature
  if (topP !== undefined) parameters.topP = topP
  if (stop.length > 0) parameters.stop = stop
  if (record(record(body['output_config'])['format'])['type'] === 'json_schema')
    parameters.responseFormat = 'json-schema'
  return parameters
}

type MediaKind = Exclude<Modality, 'text' | 'audio'>

const kinds: Readonly<Record<string, MediaKind>> = Object.assign(Object.create(null), {
  image: 'image',
  document: 'file',
})

/** Pictures and documents, each with the bytes that stand in it as base64. */
function mediaIn(body: JsonBody): (readonly [MediaKind, number])[] {
  return list(body['messages']).flatMap((message) => mediaOf(record(message)['content']))
}

function mediaOf(content: unknown): (readonly [MediaKind, number])[] {
  return list(content)
    .map(record)
    .flatMap((block) => {
      if (block['type'] === 'tool_result') return mediaOf(block['content'])
      const kind = kinds[text(block['type'])]
      const { type, data } = record(block['source'])
      // A document of plain text is text.
      if (!kind || type === 'text' || type === 'content') return []
      return [[kind, type === 'base64' ? text(data).length : 0] as const]
    })
}
