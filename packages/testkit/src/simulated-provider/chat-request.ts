import { checkSampling } from './check-sampling.ts'
import { isObject, type JsonObject } from './json-object.ts'
import { badRequest, wrongType, type Refusal } from './openai-errors.ts'

interface ChatMessage {
  role: string
  text: string
  images: number
}

export interface Tool {
  name: string
  description: string
  parameters: JsonObject
}

type ToolChoice = 'none' | 'auto' | 'required' | { name: string }

/** A chat-completions request as the simulated provider understands it. Unknown fields are left alone. */
export interface ChatRequest {
  model: string
  messages: ChatMessage[]
  stream: boolean
  includeUsage: boolean
  includeObfuscation: boolean
  choices: number
  maxTokens: number
  stop: string[]
  tools: Tool[]
  toolChoice: ToolChoice
  parallelToolCalls: boolean
  responseFormat: { type: string; schema: JsonObject }
  logprobs: boolean
}

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function']

/** Reads a parsed body, or says in OpenAI's words why it will not do. */
export function readChatRequest(body: unknown): ChatRequest | Refusal {
  if (!isObject(body)) return badRequest('We could not parse the JSON body of your request.')
  if (body.model === undefined) return badRequest('you must provide a model parameter')
  if (typeof body.model !== 'string') return wrongType('model', 'a string', body.model)
  const fault = checkMessages(body.messages) ?? checkSampling(body) ?? checkTools(body) ?? checkJsonMode(body)
  if (fault) return fault
  const streamOptions = isObject(body.stream_options) ? body.stream_options : {}
  return {
    model: body.model,
    messages: (body.messages as JsonObject[]).map(readMessage),
    stream: body.stream === true,
    includeUsage: streamOptions.include_usage === true,
    includeObfuscation: streamOptions.include_obfuscation === true,
    choices: (body.n as number | null | undefined) ?? 1,
    maxTokens: ((body.max_completion_tokens ?? body.max_tokens) as number | null | undefined) ?? Infinity,
    stop: [body.stop ?? []].flat() as string[],
    tools: readTools(body.tools),
    toolChoice: readToolChoice(body.tool_choice),
    parallelToolCalls: body.parallel_tool_calls !== false,
    responseFormat: readResponseFormat(body.response_format),
    logprobs: body.logprobs === true,
  }
}

function checkMessages(messages: unknown): Refusal | undefined {
  if (messages === undefined) {
    return badRequest("Missing required parameter: 'messages'.", 'messages', 'missing_required_parameter')
  }
  if (!Array.isArray(messages)) return wrongType('messages', 'an array of objects', messages)
  if (messages.length === 0) {
    const message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
    return badRequest(message, 'messages', 'empty_array')
  }
  for (const [index, message] of messages.entries()) {
    const fault = checkMessage(message, `messages[${index}]`)
    if (fault) return fault
  }
  return undefined
}

function checkMessage(message: unknown, path: string): Refusal | undefined {
  if (!isObject(message)) return wrongType(path, 'an object', message)
  const { role, content } = message
  if (typeof role !== 'string' || !roles.includes(role)) {
    const supported = roles.map((each) => `'${each}'`).join(', ')
    const text = `Invalid value: '${String(role)}'. Supported values are: ${supported}.`
    return badRequest(text, `${path}.role`, 'invalid_value')
  }
  if (typeof content === 'string' || Array.isArray(content)) return undefined
  if (role === 'assistant' && (content === null || content === undefined)) return undefined
  return wrongType(`${path}.content`, 'one of a string or array of objects', content)
}

function checkTools(body: JsonObject): Refusal | undefined {
  if (body.tools === undefined || body.tools === null) return undefined
  if (!Array.isArray(body.tools)) return wrongType('tools', 'an array of objects', body.tools)
  for (const [index, tool] of body.tools.entries()) {
    if (!isObject(tool) || !isObject(tool.function) || typeof tool.function.name !== 'string') {
      const param = `tools[${index}].function.name`
      return badRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter')
    }
  }
  const choice = readToolChoice(body.tool_choice)
  if (typeof choice === 'object' && !readTools(body.tools).some(({ name }) => name === choice.name)) {
    return badRequest(`Invalid value for 'tool_choice': no function named '${choice.name}'.`, 'tool_choice')
  }
  return undefined
}

function checkJsonMode(body: JsonObject): Refusal | undefined {
  if (!isObject(body.response_format) || body.response_format.type !== 'json_object') return undefined
  const messages = (body.messages as JsonObject[]).map(readMessage)
  if (messages.some(({ text }) => /json/i.test(text))) return undefined
  return badRequest(
    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    'messages',
  )
}

function readMessage(message: JsonObject): ChatMessage {
  const parts: unknown[] = Array.isArray(message.content) ? message.content : [{ text: message.content }]
  const texts = parts.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : ''))
  const images = parts.filter((part) => isObject(part) && part.type === 'image_url').length
  return { role: message.role as string, text: texts.filter(Boolean).join('\n'), images }
}

function readTools(tools: unknown): Tool[] {
  if (!Array.isArray(tools)) return []
  return (tools as { function: JsonObject }[]).map(({ function: definition }) => ({
    name: definition.name as string,
    description: typeof definition.description === 'string' ? definition.description : '',
    parameters: isObject(definition.parameters) ? definition.parameters : { type: 'object' },
  }))
}

function readToolChoice(choice: unknown): ToolChoice {
  if (choice === 'none' || choice === 'required') return choice
  if (isObject(choice) && isObject(choice.function)) return { name: String(choice.function.name) }
  return 'auto'
}

function readResponseFormat(format: unknown): ChatRequest['responseFormat'] {
  if (!isObject(format)) return { type: 'text', schema: {} }
  const { type, json_schema: named } = format
  const schema = isObject(named) && isObject(named.schema) ? named.schema : {}
  return { type: typeof type === 'string' ? type : 'text', schema }
}
