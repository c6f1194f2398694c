import { effortOf, effortsAt, openaiThinks } from '../reasoning.ts'
import { writesUser } from '../openai-user.ts'
import { hasValue, isText, list, number, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
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
  tellOthers,
  writesNothing,
  writesSampling,
} from '../translation.ts'
import { readItems, readsParts, writeItems, writesParts } from './items.ts'
import { readAnswer, readsStops, writeAnswer, writesStops } from './translate-answer.ts'
import { stepReader } from './read-stream.ts'
import { stepWriter } from './write-stream.ts'

const isEmpty = (value: unknown) => list(value).length === 0

const readsFields: Readonly<Record<string, FieldReader>> = {
  instructions: reads('system', (value) => (isText(value) ? [{ type: 'text', text: value }] : [])),
  input: reads('messages', readItems),
  tools: reads('tools', (value, losses) => list(value).flatMap((tool) => readTool(record(tool), losses))),
  tool_choice: reads('toolChoice', readToolChoice),
  parallel_tool_calls: reads('parallelTools', (value) => value !== false),
  max_output_tokens: reads('maxOutputTokens', number),
  temperature: reads('temperature', number),
  top_p: reads('topP', number),
  stream: reads('stream', (value) => value === true),
  text: { carries: ['responseFormat', 'verbosity'], read: readText },
  reasoning: { carries: ['reasoning'], read: readReasoning },
  user: { ...reads('user', text), isHint: true },
  safety_identifier: { ...reads('user', text), isHint: true },
  include: notCarried((value) => list(value).every((one) => one === 'reasoning.encrypted_content')),
  truncation: notCarried((value) => value === 'disabled'),
  top_logprobs: notCarried((value) => value === 0),
  max_tool_calls: notCarried(),
  context_management: notCarried(isEmpty),
  store: hintUnless((value) => value === false),
  background: hintUnless((value) => value === false),
  stream_options: hint,
  metadata: hintUnless((value) => Object.keys(record(value)).length === 0),
  service_tier: hint,
  prompt_cache_key: hint,
  prompt_cache_retention: hint,
}

const writesFields: FieldWriters = {
  system: {
    to: 'instructions',
    write: (parts) => (parts.length === 0 ? {} : { instructions: parts.map((part) => part.text).join('\n') }),
  },
  messages: { to: 'input', write: (messages, context) => ({ input: writeItems(messages, context) }) },
  tools: { to: 'tools', write: (tools) => (tools.length === 0 ? {} : { tools: tools.map(writeTool) }) },
  toolChoice: {
    to: 'tool_choice',
    note: 'only beside tools',
    write(choice, { request }) {
      if (!request.tools?.length) return {}
      return { tool_choice: typeof choice === 'string' ? choice : { type: 'function', name: choice.name } }
    },
  },
  parallelTools: {
    to: 'parallel_tool_calls',
    note: 'only beside tools',
    write: (parallel, { request }) => (request.tools?.length ? { parallel_tool_calls: parallel } : {}),
  },
  maxOutputTokens: {
    to: 'max_output_tokens',
    note: '16 at the least',
    write: (tokens) => ({ max_output_tokens: Math.max(16, tokens) }),
  },
  temperature: writesSampling('temperature'),
  topP: writesSampling('top_p'),
  stream: { to: 'stream', write: (stream) => (stream ? { stream } : {}) },
  streamUsage: writesNothing('usage', 'always told'),
  responseFormat: { to: 'text.format', write: (_format, { request }) => writeText(request) },
  verbosity: { to: 'text.verbosity', write: (_verbosity, { request }) => writeText(request) },
  reasoning: {
    to: 'reasoning.effort, include',
    note: 'a budget becomes the effort next to it; thoughts come back in cipher; left out for GPT-4 and older',
    write(reasoning, { target, skip }) {
      const effort = effortOf(reasoning, effortsAt.openai(target))
      if (reasoning.isOff) return {}
      if (!openaiThinks(target)) {
        skip('reasoning')
        return {}
      }
      return {
        reasoning: { ...(effort !== undefined && { effort }), summary: 'auto' },
        include: ['reasoning.encrypted_content'],
      }
    },
  },
  user: writesUser('safety_identifier'),
}

/** OpenAI's responses in the neutral form. */
export const responsesTranslation: Translation = {
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

const ofTool = ['type', 'name', 'description', 'parameters', 'strict']

function readTool(tool: JsonBody, losses: Losses): NeutralTool[] {
  const { type, name, description, parameters, strict } = tool
  if (type !== 'function') {
    losses.lose(`tools[].${text(type)}`)
    return []
  }
  tellOthers('tools[]', tool, ofTool, losses)
  return [
    {
      name: text(name),
      ...(typeof description === 'string' && { description }),
      ...(parameters !== undefined && parameters !== null && { inputSchema: parameters }),
      ...(typeof strict === 'boolean' && { strict }),
    },
  ]
}

const writeTool = ({ name, description, inputSchema, strict }: NeutralTool) => ({
  type: 'function',
  name,
  ...(description !== undefined && { description }),
  parameters: inputSchema ?? { type: 'object', properties: {} },
  strict: strict ?? false,
})

function readToolChoice(value: unknown): NeutralRequest['toolChoice'] {
  if (value === 'auto' || value === 'none' || value === 'required') return value
  const { type, name } = record(value)
  return type === 'function' && isText(name) ? { name } : undefined
}

function readText(value: unknown, losses: Losses): NeutralRequest | undefined {
  const { format, verbosity } = record(value)
  tellOthers('text', record(value), ['format', 'verbosity'], losses)
  tellOthers('text.format', record(format), ['type', 'schema', 'name', 'strict'], losses)
  const responseFormat = hasValue(format) ? readFormat(record(format)) : undefined
  if (hasValue(format) && !responseFormat) return undefined
  return { ...(responseFormat && { responseFormat }), ...(isText(verbosity) && { verbosity }) }
}

function readFormat({ type, schema, name, strict }: JsonBody): ResponseFormat | undefined {
  if (type === 'text') return { type }
  if (type === 'json_object') return { type: 'json' }
  if (type !== 'json_schema' || schema === undefined) return undefined
  return { type: 'json-schema', schema, ...(isText(name) && { name }), ...(typeof strict === 'boolean' && { strict }) }
}

function writeText({ responseFormat, verbosity }: NeutralRequest): JsonBody {
  return {
    text: {
      ...(responseFormat && { format: writeFormat(responseFormat) }),
      ...(verbosity !== undefined && { verbosity }),
    },
  }
}

function writeFormat(format: ResponseFormat): JsonBody {
  if (format.type !== 'json-schema') return { type: format.type === 'json' ? 'json_object' : 'text' }
  const { schema, name = 'answer', strict } = format
  return { type: 'json_schema', name, schema, ...(strict !== undefined && { strict }) }
}

function readReasoning(value: unknown, losses: Losses): NeutralRequest {
  const asked = record(value)
  // Thoughts are summed up, or told whole, wherever the model tells them.
  tellOthers('reasoning', asked, ['effort', 'summary', 'generate_summary'], losses)
  const { effort } = asked
  if (isText(effort)) return { reasoning: effort === 'none' ? { isOff: true } : { effort } }
  // Without an effort it is left to the model, unless its thoughts are to be seen.
  return Object.values(asked).some(hasValue) ? { reasoning: {} } : {}
}
