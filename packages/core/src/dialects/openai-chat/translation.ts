import { list, number, record, text } from '../json.ts'
import type { NeutralRequest, NeutralTool, ResponseFormat } from '../neutral.ts'
import {
  type FieldReader,
  type FieldWriters,
  type Losses,
  type Translation,
  hint,
  hintUnless,
  notCarried,
  reads,
  readsStop,
  tellOthers,
  writesAs,
  writesNothing,
  writesSampling,
} from '../translation.ts'
import { effortOf, effortsAt, openaiThinks } from '../reasoning.ts'
import { writesUser } from '../openai-user.ts'
import { readConversation, readsParts, writeMessages, writesParts } from './messages.ts'
import { readAnswer, readsStops, writeAnswer, writesStops } from './translate-answer.ts'
import { stepReader, stepWriter } from './translate-stream.ts'

/** Words at which OpenAI stops. */
const mostStops = 4

const isZero = (value: unknown) => value === 0
const isEmpty = (value: unknown) => Object.keys(record(value)).length === 0 && list(value).length === 0

const readsFields: Readonly<Record<string, FieldReader>> = {
  messages: { carries: ['system', 'messages'], read: readConversation },
  tools: reads('tools', (value, losses) => list(value).flatMap((tool) => readTool(tool, losses))),
  tool_choice: reads('toolChoice', readToolChoice),
  parallel_tool_calls: reads('parallelTools', (value) => value !== false),
  max_completion_tokens: reads('maxOutputTokens', number),
  max_tokens: reads('maxOutputTokens', number),
  temperature: reads('temperature', number),
  top_p: reads('topP', number),
  top_k: reads('topK', number),
  stop: readsStop,
  stream: reads('stream', (value) => value === true),
  stream_options: {
    carries: ['streamUsage'],
    isHint: true,
    read: (value) => ({ streamUsage: record(value)['include_usage'] === true }),
  },
  seed: reads('seed', number),
  n: { carries: ['choices'], read: (value) => (value === 1 ? {} : { choices: number(value) ?? 1 }) },
  response_format: reads('responseFormat', readFormat),
  reasoning_effort: reads('reasoning', (value) => (value === 'none' ? { isOff: true } : { effort: text(value) })),
  verbosity: reads('verbosity', text),
  frequency_penalty: { carries: ['frequencyPenalty'], read: readPenalty('frequencyPenalty') },
  presence_penalty: { carries: ['presencePenalty'], read: readPenalty('presencePenalty') },
  logprobs: notCarried((value) => value === false),
  top_logprobs: notCarried(isZero),
  user: { ...reads('user', text), isHint: true },
  logit_bias: notCarried(isEmpty),
  modalities: notCarried((value) => list(value).every((one) => one === 'text')),
  audio: notCarried(),
  functions: notCarried(isEmpty),
  function_call: notCarried((value) => value === 'auto' || value === 'none'),
  prediction: hint,
  web_search_options: notCarried(),
  metadata: hintUnless(isEmpty),
  store: hintUnless((value) => value === false),
  service_tier: hint,
  prompt_cache_key: hint,
  prompt_cache_retention: hint,
  safety_identifier: hint,
}

const writesFields: FieldWriters = {
  system: writesNothing('messages[].role system', 'first message'),
  messages: { to: 'messages', write: (_messages, context) => ({ messages: writeMessages(context) }) },
  tools: { to: 'tools[].function', write: (tools) => (tools.length === 0 ? {} : { tools: tools.map(writeTool) }) },
  toolChoice: {
    to: 'tool_choice',
    note: 'only beside tools',
    write(choice, { request }) {
      if (!request.tools?.length) return {}
      return {
        tool_choice: typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } },
      }
    },
  },
  parallelTools: {
    to: 'parallel_tool_calls',
    note: 'only beside tools',
    write: (parallel, { request }) => (request.tools?.length ? { parallel_tool_calls: parallel } : {}),
  },
  maxOutputTokens: {
    to: 'max_completion_tokens',
    note: '`max_tokens` unless the provider is OpenAI',
    write: (tokens, { target }) => ({
      [target.provider === 'openai' ? 'max_completion_tokens' : 'max_tokens']: tokens,
    }),
  },
  temperature: writesSampling('temperature'),
  topP: writesSampling('top_p'),
  stop: {
    to: 'stop',
    note: 'up to 4 at OpenAI',
    write(words, { target }) {
      if (words.length > mostStops && target.provider === 'openai') return undefined
      return { stop: words }
    },
  },
  stream: { to: 'stream', write: (stream) => (stream ? { stream, stream_options: { include_usage: true } } : {}) },
  streamUsage: writesNothing('stream_options.include_usage', 'always asked for'),
  seed: writesAs('seed'),
  choices: writesAs('n'),
  responseFormat: { to: 'response_format', write: (format) => ({ response_format: writeFormat(format) }) },
  reasoning: {
    to: 'reasoning_effort',
    note: 'a budget becomes the effort next to it; nothing where that is left to the model; left out for GPT-4 and older',
    write(reasoning, { target, skip }) {
      const effort = effortOf(reasoning, effortsAt.openai(target))
      if (effort === undefined) return {}
      if (openaiThinks(target)) return { reasoning_effort: effort }
      skip('reasoning')
      return {}
    },
  },
  verbosity: writesAs('verbosity'),
  frequencyPenalty: writesAs('frequency_penalty'),
  presencePenalty: writesAs('presence_penalty'),
  user: writesUser('user'),
}

/** OpenAI's chat completions in the neutral form. */
export const chatTranslation: Translation = {
  reads: readsFields,
  writes: writesFields,
  readsParts,
  writesParts,
  readsStops,
  writesStops,
  readAnswer,
  writeAnswer,
  stepReader,
  stepWriter,
}

function readTool(value: unknown, losses: Losses): NeutralTool[] {
  const { type, function: declared } = record(value)
  if (type !== undefined && type !== 'function') {
    losses.lose(`tools[].${text(type)}`)
    return []
  }
  tellOthers('tools[]', record(value), ['type', 'function'], losses)
  tellOthers('tools[].function', record(declared), ['name', 'description', 'parameters', 'strict'], losses)
  const { name, description, parameters, strict } = record(declared)
  return [
    {
      name: text(name),
      ...(typeof description === 'string' && { description }),
      ...(parameters !== undefined && { inputSchema: parameters }),
      ...(typeof strict === 'boolean' && { strict }),
    },
  ]
}

const writeTool = ({ name, description, inputSchema, strict }: NeutralTool) => ({
  type: 'function',
  function: {
    name,
    ...(description !== undefined && { description }),
    ...(inputSchema !== undefined && { parameters: inputSchema }),
    ...(strict !== undefined && { strict }),
  },
})

function readToolChoice(value: unknown): NeutralRequest['toolChoice'] {
  if (value === 'auto' || value === 'none' || value === 'required') return value
  const { type, function: named } = record(value)
  const { name } = record(named)
  return type === 'function' && typeof name === 'string' ? { name } : undefined
}

function readFormat(value: unknown, losses: Losses): ResponseFormat | undefined {
  const { type, json_schema: declared } = record(value)
  tellOthers('response_format.json_schema', record(declared), ['schema', 'name', 'strict'], losses)
  if (type === 'text') return { type: 'text' }
  if (type === 'json_object') return { type: 'json' }
  const { schema, name, strict } = record(declared)
  if (type !== 'json_schema' || schema === undefined) return undefined
  return {
    type: 'json-schema',
    schema,
    ...(typeof name === 'string' && { name }),
    ...(typeof strict === 'boolean' && { strict }),
  }
}

function writeFormat(format: ResponseFormat): object {
  if (format.type !== 'json-schema') return { type: format.type === 'json' ? 'json_object' : 'text' }
  const { schema, name = 'answer', strict } = format
  return { type: 'json_schema', json_schema: { name, schema, ...(strict !== undefined && { strict }) } }
}

function readPenalty(field: 'frequencyPenalty' | 'presencePenalty') {
  return (value: unknown): NeutralRequest | undefined => {
    const penalty = number(value)
    return isZero(value) ? {} : penalty === undefined ? undefined : { [field]: penalty }
  }
}
