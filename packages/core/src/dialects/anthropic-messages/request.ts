import type { MediaPart } from '../../tokens/bounds.ts'
import type { Message, Modality, Parameters, Tool } from '../../types.ts'
import { count, isRecord, isText, list, number, record, text } from '../json.ts'
import { mapContent, textOf } from '../map-text.ts'
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
    messages: list(messages).map((message) => mapContent(message, (said) => map(said, text(record(message)['role'])))),
  }),
  fields: { maxOutputTokens: 'max_tokens', temperature: 'temperature', topP: 'top_p', stop: 'stop_sequences' },
}

function systemOf({ system }: JsonBody): Message[] {
  const said = textOf(system)
  return said === '' ? [] : [{ role: 'system', text: said }]
}

function messageOf(value: unknown): Message {
  const message = record(value)
  const { role, content } = message
  return messageWith(text(role), textOf(message), list(content).map(record).flatMap(unspokenIn))
}

const unspokenIn = ({ type, name, input, thinking }: JsonBody): unknown[] =>
  type === 'thinking' ? [thinking] : input === undefined ? [] : [name, JSON.stringify(input)]

function toolOf(value: unknown): Tool[] {
  const { type, name = type, description, input_schema: inputSchema } = record(value)
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

/** Pictures and documents, each with the bytes that stand in it as base64, however deep it stands. */
function mediaIn(body: JsonBody): (readonly [MediaKind, number])[] {
  const found: (readonly [MediaKind, number])[] = []
  const waiting: unknown[] = list(body['messages']).map((message) => record(message)['content'])
  for (const one of waiting) {
    if (Array.isArray(one)) for (const block of one) waiting.push(block)
    if (!isRecord(one)) continue
    const { type, data, content } = record(one['source'])
    waiting.push(one['content'], content)
    const kind = kinds[text(one['type'])]
    // A document of plain text is text.
    if (kind && type !== 'text' && type !== 'content') found.push([kind, type === 'base64' ? text(data).length : 0])
  }
  return found
}
