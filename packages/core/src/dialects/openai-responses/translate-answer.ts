import { isText, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { NeutralAnswer, Part, StopReason } from '../neutral.ts'
import type { Usage } from '../../types.ts'
import type { Asked, Losses } from '../translation.ts'
import { readOutput, writeThought } from './items.ts'
import { usageIn } from './usage.ts'

/** `status`, or the reason of an incomplete one, by the neutral reason, and the other way. */
export const readsStops: Readonly<Record<string, StopReason>> = {
  completed: 'stop',
  max_output_tokens: 'length',
  content_filter: 'filter',
}
export const writesStops: Readonly<Record<StopReason, string>> = {
  stop: 'completed',
  'stop-sequence': 'completed',
  length: 'max_output_tokens',
  'tool-calls': 'completed',
  filter: 'content_filter',
  refusal: 'content_filter',
  pause: 'completed',
}

/** Why a response ended. A call of a tool is told by its being there. */
export function stopOf(response: JsonBody, hasCalls: boolean): StopReason {
  const { reason } = record(response['incomplete_details'])
  const known = isText(reason) && Object.hasOwn(readsStops, reason) ? readsStops[reason]! : 'stop'
  return known === 'stop' && hasCalls ? 'tool-calls' : known
}

/** Reads a response. */
export function readAnswer(body: JsonBody, losses?: Losses): NeutralAnswer | undefined {
  if (!Array.isArray(body['output'])) return undefined
  const parts = readOutput(body['output'], losses)
  return {
    id: text(body['id']),
    model: text(body['model']),
    parts,
    stop: stopOf(
      body,
      parts.some(({ type }) => type === 'tool-call'),
    ),
    usage: usageIn(body),
  }
}

/** Writes a response. */
export function writeAnswer({ id, model, parts, stop, usage }: NeutralAnswer, asked: Asked): JsonBody {
  const output = parts.map((part, index) => writeOutput(part, `${id}_${index}`))
  return { ...skeleton({ id, model }, asked), ...ending(stop), output, ...(usage && { usage: writeUsage(usage) }) }
}

/** What a response says of itself whatever is in it: what was asked for, above all. */
export function skeleton(
  { id, model }: { readonly id: string; readonly model: string },
  { body, startedAt }: Asked,
): JsonBody {
  const asked = (field: string, otherwise: unknown = null) => body[field] ?? otherwise
  return {
    id: id.startsWith('resp_') ? id : `resp_${id}`,
    object: 'response',
    created_at: Math.floor(startedAt / 1_000),
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    instructions: asked('instructions'),
    max_output_tokens: asked('max_output_tokens'),
    model,
    output: [],
    parallel_tool_calls: asked('parallel_tool_calls', true),
    previous_response_id: null,
    reasoning: asked('reasoning', { effort: null, summary: null }),
    store: false,
    temperature: asked('temperature'),
    text: asked('text', { format: { type: 'text' } }),
    tool_choice: asked('tool_choice', 'auto'),
    tools: asked('tools', []),
    top_p: asked('top_p'),
    truncation: 'disabled',
    usage: null,
    metadata: asked('metadata', {}),
  }
}

/** How a response ended. */
export function ending(stop: StopReason): JsonBody {
  const reason = writesStops[stop]
  return reason === 'completed' ? { status: reason } : { status: 'incomplete', incomplete_details: { reason } }
}

/** A part of an answer as an item. */
export function writeOutput(part: Part, id: string, status = 'completed'): object {
  if (part.type === 'tool-call') {
    return {
      type: 'function_call',
      id: `fc_${id}`,
      call_id: part.id,
      name: part.name,
      arguments: part.arguments,
      status,
    }
  }
  if (part.type === 'reasoning') return writeThought(part, `rs_${id}`)
  return { type: 'message', id: `msg_${id}`, status, role: 'assistant', content: [writeSaid(part)] }
}

/** What an answer says, as the content of a message. */
export const writeSaid = (part: Part): object =>
  part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : { type: 'output_text', text: part.type === 'text' ? part.text : '', annotations: [], logprobs: [] }

/** Disjoint classes as OpenAI counts them. */
export function writeUsage(usage: Usage): JsonBody {
  const input = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens
  const output = usage.outputTokens + usage.reasoningTokens
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: input + output,
  }
}
