import type { Message, Modality, Parameters, Tool } from '../../types.ts'
import { count, isText, list, number, record, text } from '../json.ts'
import { mapContent, textOf } from '../map-text.ts'
import { type JsonBody, type RequestView, messageWith } from '../json-request.ts'

/** How a body of OpenAI's responses is read. */
export const responsesView: RequestView = {
  messages: (body) => [...instructionsOf(body), ...itemsOf(body).map(messageOf)],
  tools: (body) => list(body['tools']).flatMap(toolOf),
  parameters: parametersOf,
  modality: (body) => new Set<Modality>(['text', ...mediaIn(body).map(([kind]) => kind)]),
  media: (body) => ({
    parts: mediaIn(body).map(([kind]) => ({ kind })),
    bytes: mediaIn(body).reduce((sum, [, bytes]) => sum + bytes, 0),
  }),
  mapText: ({ instructions, input }, map) => ({
    ...(isText(instructions) && { instructions: map(instructions, 'system') }),
    input: typeof input === 'string' ? map(input, 'user') : list(input).map((item) => mapItem(item, map)),
  }),
  fields: { maxOutputTokens: 'max_output_tokens', temperature: 'temperature', topP: 'top_p' },
}

const mapItem = (item: unknown, map: (text: string, role: string) => string) =>
  mapContent(item, (said) => map(said, roleOf(record(item))))

const roleOf = ({ type, role }: JsonBody) => (text(type).endsWith('_output') ? 'tool' : text(role))

/** The items of the input: a text is a message of the user's. */
export const itemsOf = ({ input }: JsonBody): readonly JsonBody[] =>
  typeof input === 'string' ? [{ role: 'user', content: input }] : list(input).map(record)

const instructionsOf = ({ instructions }: JsonBody): Message[] =>
  isText(instructions) ? [{ role: 'system', text: instructions }] : []

function messageOf(item: JsonBody): Message {
  const { type, name } = item
  if (type === 'function_call' || type === 'custom_tool_call')
    return messageWith('assistant', '', [name, item['arguments'], item['input']])
  if (type === 'reasoning') return messageWith('assistant', '', [textOf(item['summary']), textOf(item['content'])])
  return { role: roleOf(item), text: textOf(item) }
}

function toolOf(value: unknown): Tool[] {
  const { type, name = type, description, parameters } = record(value)
  if (!isText(name)) return []
  return [
    { name, ...(isText(description) && { description }), ...(parameters !== undefined && { inputSchema: parameters }) },
  ]
}

const formats: Readonly<Record<string, NonNullable<Parameters['responseFormat']>>> = Object.assign(
  Object.create(null),
  {
    text: 'text',
    json_object: 'json',
    json_schema: 'json-schema',
  },
)

function parametersOf(body: JsonBody): Parameters {
  const parameters: { -readonly [Name in keyof Parameters]: Parameters[Name] } = { stream: body['stream'] === true }
  const maxOutputTokens = count(body['max_output_tokens'])
  const temperature = number(body['temperature'])
  const topP = number(body['top_p'])
  const format = formats[text(record(record(body['text'])['format'])['type'])]
  if (maxOutputTokens !== undefined) parameters.maxOutputTokens = maxOutputTokens
  if (temperature !== undefined) parameters.temperature = temperature
  if (topP !== undefined) parameters.topP = topP
  if (format) parameters.responseFormat = format
  return parameters
}

type MediaKind = Exclude<Modality, 'text'>

const kinds: Readonly<Record<string, MediaKind>> = Object.assign(Object.create(null), {
  input_image: 'image',
  input_audio: 'audio',
  input_file: 'file',
  computer_screenshot: 'image',
})

/** What is not text, each with the bytes that stand in it as base64. */
function mediaIn(body: JsonBody): (readonly [MediaKind, number])[] {
  return itemsOf(body)
    .flatMap((item) => [item['content'], item['output']].flat())
    .map(record)
    .flatMap((part) => {
      const kind = kinds[text(part['type'])]
      const data = text(part['image_url'] ?? part['file_data'] ?? record(part['input_audio'])['data'])
      return kind ? [[kind, /^https?:/.test(data) ? 0 : data.length] as const] : []
    })
}
