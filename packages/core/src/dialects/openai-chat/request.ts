import type { MediaPart } from '../../tokens/bounds.ts'
import type { Media, Message, Modality, Parameters, Tool } from '../../types.ts'
import { count, list, number, record, text } from '../json.ts'
import { mapContent, textOf } from '../map-text.ts'
import { type JsonBody, type RequestView, messageWith } from '../json-request.ts'

/** How a body of OpenAI's chat completions is read. */
export const chatView: RequestView = {
  messages: (body) => list(body['messages']).map(messageOf),
  tools: (body) =>
    [...list(body['tools']), ...list(body['functions']).map((older) => ({ function: older }))].flatMap(toolOf),
  parameters: parametersOf,
  modality: modalityOf,
  media: mediaOf,
  mapText: ({ messages }, map) => ({
    messages: list(messages).map((message) => mapContent(message, (said) => map(said, text(record(message)['role'])))),
  }),
  fields: {
    maxOutputTokens: ['max_completion_tokens', 'max_tokens'],
    temperature: 'temperature',
    topP: 'top_p',
    seed: 'seed',
    stop: 'stop',
  },
}

/** What is not text. `video_url` is not OpenAI's own: vLLM, OpenRouter and others read it. */
const partModalities: Readonly<Record<string, MediaPart['kind']>> = {
  image_url: 'image',
  input_audio: 'audio',
  video_url: 'video',
  file: 'file',
}

function messageOf(value: unknown): Message {
  const message = record(value)
  const { role, tool_calls: calls, function_call: call, reasoning_content: thought, reasoning } = message
  const called = [...list(calls).flatMap((one) => callsIn(record(one))), call].map(record)
  const unspoken = called.flatMap(({ name, arguments: given, input }) => [name, given, input])
  return messageWith(text(role), textOf(message), [...unspoken, thought ?? reasoning])
}

const callsIn = ({ function: called, custom }: JsonBody) => [called, custom]

function toolOf(value: unknown): Tool[] {
  const { type, function: declared, custom } = record(value)
  const { name = type, description, parameters } = record(declared ?? custom)
  if (typeof name !== 'string') return []
  return [
    {
      name,
      ...(typeof description === 'string' && { description }),
      ...(parameters !== undefined && { inputSchema: parameters }),
    },
  ]
}

function parametersOf(body: JsonBody): Parameters {
  const maxOutputTokens = larger(count(body['max_completion_tokens']), count(body['max_tokens']))
  const temperature = number(body['temperature'])
  const topP = number(body['top_p'])
  const seed = number(body['seed'])
  const choices = count(body['n'])
  const stop =
    typeof body['stop'] === 'string' ? [body['stop']] : list(body['stop']).filter((word) => typeof word === 'string')
  const format = record(body['response_format'])['type']
  const responseFormat = typeof format === 'string' ? formats[format] : undefined
  const parameters: { -readonly [Name in keyof Parameters]: Parameters[Name] } = { stream: body['stream'] === true }
  if (maxOutputTokens !== undefined) parameters.maxOutputTokens = maxOutputTokens
  if (temperature !== undefined) parameters.temperature = temperature
  if (topP !== undefined) parameters.topP = topP
  if (seed !== undefined) parameters.seed = seed
  if (choices !== undefined) parameters.choices = choices
  if (stop.length > 0) parameters.stop = stop
  if (responseFormat) parameters.responseFormat = responseFormat
  return parameters
}

const formats: Readonly<Record<string, NonNullable<Parameters['responseFormat']>>> = Object.assign(
  Object.create(null),
  {
    text: 'text',
    json_object: 'json',
    json_schema: 'json-schema',
  },
)

function modalityOf(body: JsonBody): ReadonlySet<Modality> {
  const parts = list(body['messages']).flatMap((message) => list(record(message)['content']))
  const named = parts
    .map((part) => record(part)['type'])
    .filter((type) => typeof type === 'string' && Object.hasOwn(partModalities, type))
  return new Set<Modality>(['text', ...named.map((type) => partModalities[type as string]!)])
}

function mediaOf(body: JsonBody): Media {
  const parts = list(body['messages']).flatMap((message) => list(record(message)['content']).map(record))
  const media = parts.filter(({ type }) => typeof type === 'string' && Object.hasOwn(partModalities, type))
  const kinds = media.map(({ type }) => ({ kind: partModalities[type as string]! }))
  return { parts: kinds, bytes: media.reduce((sum, part) => sum + contentBytes(part), 0) }
}

/** The length of what stands in a part as base64: the longest string in it, where that is not a link. */
function contentBytes(part: JsonBody): number {
  const inner = [
    record(part['image_url'])['url'],
    record(part['input_audio'])['data'],
    record(part['video_url'])['url'],
    record(part['file'])['file_data'],
  ]
  const data = inner.find((value) => typeof value === 'string')
  return typeof data === 'string' && !/^https?:/.test(data) ? data.length : 0
}

const larger = (one: number | undefined, other: number | undefined) =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other)
