import { isRecord, isText, parseExactly, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { NeutralAnswer, Part, StopReason } from '../neutral.ts'
import type { Usage } from '../../types.ts'
import type { Losses } from '../translation.ts'
import { classifyUsage } from './answer.ts'
import { readContent, writeThought } from './messages.ts'

/** `stop_reason` by the neutral reason, and the other way. */
export const readsStops: Readonly<Record<string, StopReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop-sequence',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  refusal: 'refusal',
}
export const writesStops: Readonly<Record<StopReason, string>> = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
}

/** The neutral reason of a `stop_reason`; one that is not known is an end. Not all who follow Anthropic tell of calls by it. */
export function stopOf(reason: unknown, hasCalls: boolean): StopReason {
  const known = typeof reason === 'string' && Object.hasOwn(readsStops, reason) ? readsStops[reason]! : 'stop'
  return known === 'stop' && hasCalls ? 'tool-calls' : known
}

/** Reads a message. */
export function readAnswer(body: JsonBody, losses?: Losses): NeutralAnswer | undefined {
  if (!Array.isArray(body['content'])) return undefined
  const sequence = body['stop_sequence']
  const parts = readContent(body['content'], losses)
  const hasCalls = parts.some(({ type }) => type === 'tool-call')
  return {
    id: text(body['id']),
    model: text(body['model']),
    parts,
    stop: stopOf(body['stop_reason'], hasCalls),
    ...(isText(sequence) && { stopSequence: sequence }),
    usage: classifyUsage(body),
  }
}

/** Writes a message. */
export function writeAnswer({ id, model, parts, stop, stopSequence, usage }: NeutralAnswer): JsonBody {
  const refuses = parts.some(({ type }) => type === 'refusal')
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: parts.flatMap(writeBlock),
    stop_reason: reasonOf(stop, refuses),
    stop_sequence: stopSequence ?? null,
    usage: writeUsage(usage),
  }
}

/** Why an answer ended: that it refuses is told by this, and not by a kind of part. */
export const reasonOf = (stop: StopReason, refuses: boolean): string =>
  writesStops[refuses && stop === 'stop' ? 'refusal' : stop]

function writeBlock(part: Part): object[] {
  if (part.type === 'reasoning') return [writeThought(part.text, part.proof)]
  if (part.type === 'tool-call')
    return [{ type: 'tool_use', id: part.id, name: part.name, input: inputOf(part.arguments) }]
  return part.type === 'text' || part.type === 'refusal' ? [{ type: 'text', text: part.text }] : []
}

/** Arguments as an object. What a model wrote that is none is kept as the text it is. */
function inputOf(given: string): unknown {
  const input = given.trim() === '' ? {} : parseExactly(given)
  return isRecord(input) ? input : { unparsed: given }
}

/** Disjoint classes as Anthropic counts them: thoughts inside the output. */
export function writeUsage(usage: Usage | undefined): JsonBody {
  return {
    input_tokens: usage?.inputTokens ?? 0,
    cache_creation_input_tokens: usage?.cacheWriteTokens ?? 0,
    cache_read_input_tokens: usage?.cachedInputTokens ?? 0,
    output_tokens: (usage?.outputTokens ?? 0) + (usage?.reasoningTokens ?? 0),
    ...(usage && usage.reasoningTokens > 0 && { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }),
  }
}
