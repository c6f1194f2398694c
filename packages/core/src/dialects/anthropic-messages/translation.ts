import { anthropicThinks, budgetOf, effortOf, effortsAt, refusesSampling } from '../reasoning.ts'
import { isText, list, number, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { NeutralRequest, NeutralTool, Reasoning, ResponseFormat } from '../neutral.ts'
import {
  type FieldReader,
  type FieldWriters,
  type Losses,
  type Target,
  type Translation,
  type WriteContext,
  hint,
  notCarried,
  reads,
  readsStop,
  tellOthers,
  writesNothing,
  writesSampling,
} from '../translation.ts'
import { usualMaxTokens } from './request.ts'
import { readMessages, readSystem, readsParts, writeConversation, writesParts } from './messages.ts'
import { readAnswer, readsStops, writeAnswer, writesStops } from './translate-answer.ts'
import { stepReader, stepWriter } from './translate-stream.ts'

const readsFields: Readonly<Record<string, FieldReader>> = {
  system: reads('system', readSystem),
  messages: reads('messages', readMessages),
  tools: reads('tools', (value, losses) => list(value).flatMap((tool) => readTool(record(tool), losses))),
  tool_choice: { carries: ['toolChoice', 'parallelTools'], read: readToolChoice },
  max_tokens: reads('maxOutputTokens', number),
  temperature: reads('temperature', number),
  top_p: reads('topP', number),
  top_k: reads('topK', number),
  stop_sequences: readsStop,
  stream: reads('stream', (value) => value === true),
  thinking: reads('reasoning', readThinking),
  output_config: { carries: ['reasoning', 'responseFormat'], read: readOutputConfig },
  output_format: reads('responseFormat', readFormat),
  metadata: {
    carries: ['user'],
    isHint: true,
    read: (value) => (isText(record(value)['user_id']) ? { user: text(record(value)['user_id']) } : {}),
  },
  cache_control: hint,
  service_tier: hint,
  speed: hint,
  diagnostics: hint,
  user_profile_id: hint,
  workspace_id: hint,
  context_management: notCarried((value) => list(record(value)['edits']).length === 0),
  mcp_servers: notCarried((value) => list(value).length === 0),
  container: notCarried(),
  inference_geo: notCarried(),
}

const writesFields: FieldWriters = {
  system: writesNothing('system', 'with all messages of the roles system and developer'),
  messages: {
    to: 'messages, system',
    note: 'messages of one role in a row become one',
    write: (_messages, context) => writeConversation(context),
  },
  tools: { to: 'tools', write: (tools) => (tools.length === 0 ? {} : { tools: tools.map(writeTool) }) },
  toolChoice: { to: 'tool_choice', write: (_choice, { request }) => writeToolChoice(request) },
  parallelTools: {
    to: 'tool_choice.disable_parallel_tool_use',
    note: 'only beside tools',
    write: (_parallel, { request }) => writeToolChoice(request),
  },
  maxOutputTokens: { to: 'max_tokens', write: (tokens) => ({ max_tokens: tokens }) },
  temperature: {
    to: 'temperature',
    note: 'up to 1; not to models that refuse to be told how to sample',
    write(temperature, { target, lose }) {
      if (temperature > 1) lose('temperature')
      // Newer models refuse it beside `top_p`, and 1 is what is so anyway.
      return temperature >= 1 ? {} : refusesSampling(target) ? undefined : { temperature }
    },
  },
  topP: {
    to: 'top_p',
    note: 'not to models that refuse to be told how to sample',
    write: (topP, { target }) => (topP === 1 ? {} : refusesSampling(target) ? undefined : { top_p: topP }),
  },
  topK: writesSampling('top_k'),
  stop: {
    to: 'stop_sequences',
    note: 'none that is blank',
    write(words) {
      if (words.some((word) => word.trim() === '')) return undefined
      return { stop_sequences: words }
    },
  },
  stream: { to: 'stream', write: (stream) => (stream ? { stream } : {}) },
  streamUsage: writesNothing('usage', 'always told'),
  responseFormat: {
    to: 'output_config.format',
    note: 'JSON without a schema is asked for in words',
    write: (_format, context) => writeOutputConfig(context),
  },
  reasoning: {
    to: 'thinking, output_config.effort',
    note: 'adaptive thinking of that effort; before Claude 4.6 a budget; before 3.7, and beside what bars thinking, left out',
    write: (reasoning, context) => ({ ...writeThinking(reasoning, context), ...writeOutputConfig(context) }),
  },
  user: { to: 'metadata.user_id', write: (user) => ({ metadata: { user_id: user } }) },
}

/** Anthropic's messages in the neutral form. */
export const messagesTranslation: Translation = {
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

const ofTool = ['type', 'name', 'description', 'input_schema', 'strict']

function readTool(tool: Readonly<Record<string, unknown>>, losses: Losses): NeutralTool[] {
  const { type, name, description, input_schema: inputSchema, strict } = tool
  if (isText(type) && type !== 'custom') {
    losses.lose(`tools[].${type}`)
    return []
  }
  tellOthers('tools[]', tool, ofTool, losses)
  return [
    {
      name: text(name),
      ...(typeof description === 'string' && { description }),
      ...(inputSchema !== undefined && { inputSchema }),
      ...(typeof strict === 'boolean' && { strict }),
    },
  ]
}

const writeTool = ({ name, description, inputSchema, strict }: NeutralTool) => ({
  name,
  ...(description !== undefined && { description }),
  // Anthropic wants to be told what arguments always are.
  input_schema: { type: 'object', ...(inputSchema === undefined ? { properties: {} } : record(inputSchema)) },
  ...(strict !== undefined && { strict }),
})

const choices: Readonly<Record<string, NonNullable<NeutralRequest['toolChoice']>>> = {
  auto: 'auto',
  any: 'required',
  none: 'none',
}

function readToolChoice(value: unknown): NeutralRequest | undefined {
  const { type, name, disable_parallel_tool_use: alone } = record(value)
  const choice = type === 'tool' && isText(name) ? { name } : choices[text(type)]
  if (!choice) return undefined
  return { toolChoice: choice, ...(alone === true && { parallelTools: false }) }
}

function writeToolChoice({ tools, toolChoice = 'auto', parallelTools }: NeutralRequest) {
  if (!tools?.length) return {}
  const choice =
    typeof toolChoice === 'object'
      ? { type: 'tool', name: toolChoice.name }
      : { type: toolChoice === 'required' ? 'any' : toolChoice }
  const alone = parallelTools === false && choice.type !== 'none'
  return { tool_choice: { ...choice, ...(alone && { disable_parallel_tool_use: true }) } }
}

function readThinking(value: unknown, losses: Losses): Reasoning | undefined {
  tellOthers('thinking', record(value), ['type', 'budget_tokens'], losses)
  const { type, budget_tokens: budgetTokens } = record(value)
  if (type === 'disabled') return { isOff: true }
  if (type === 'enabled' && typeof budgetTokens === 'number') return { budgetTokens }
  return type === 'adaptive' ? {} : undefined
}

function writeThinking(reasoning: Reasoning, { target, request, skip }: WriteContext): JsonBody {
  const style = anthropicThinks(target)
  if (reasoning.isOff) return style === 'never' ? {} : { thinking: { type: 'disabled' } }
  const limit = request.maxOutputTokens ?? target.maxOutputTokens ?? usualMaxTokens
  if (style === 'adaptive' && mayThink(request, target)) return { thinking: { type: 'adaptive' } }
  const budget = style === 'budget' && mayThink(request, target) ? budgetOf(reasoning, limit) : undefined
  if (budget === undefined) skip('reasoning')
  return budget === undefined ? {} : { thinking: { type: 'enabled', budget_tokens: budget } }
}

/** Anthropic refuses to let a model think that is told which tool to call, or how to sample. */
function mayThink({ toolChoice = 'auto', temperature = 1, topP = 1, topK }: NeutralRequest, target: Target): boolean {
  const samples = !refusesSampling(target) && (temperature !== 1 || topP < leastTopP || topK !== undefined)
  return (toolChoice === 'auto' || toolChoice === 'none') && !samples
}

/** https://platform.claude.com/docs/en/build-with-claude/extended-thinking */
const leastTopP = 0.95

function readOutputConfig(value: unknown, losses: Losses): NeutralRequest | undefined {
  tellOthers('output_config', record(value), ['effort', 'format'], losses)
  const { effort, format } = record(value)
  const responseFormat = format ? readFormat(format) : undefined
  if (format && !responseFormat) return undefined
  return { ...(isText(effort) && { reasoning: { effort } }), ...(responseFormat && { responseFormat }) }
}

function readFormat(value: unknown): ResponseFormat | undefined {
  const { type, schema } = record(value)
  return type === 'json_schema' && schema !== undefined ? { type: 'json-schema', schema, strict: true } : undefined
}

function writeOutputConfig({ target, request: { reasoning, responseFormat } }: WriteContext): JsonBody {
  const isByEffort = reasoning?.budgetTokens === undefined && anthropicThinks(target) === 'adaptive'
  const effort = reasoning && isByEffort ? effortOf(reasoning, effortsAt.anthropic(target)) : undefined
  const schema = responseFormat?.type === 'json-schema' ? responseFormat.schema : undefined
  if (effort === undefined && schema === undefined) return {}
  return {
    output_config: {
      ...(effort !== undefined && { effort }),
      ...(schema !== undefined && { format: { type: 'json_schema', schema } }),
    },
  }
}
