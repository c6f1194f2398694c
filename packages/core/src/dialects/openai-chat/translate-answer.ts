import { newId } from '../../new-id.ts'
import { isRecord, list, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { NeutralAnswer, StopReason } from '../neutral.ts'
import type { Usage } from '../../types.ts'
import type { Asked, Losses } from '../translation.ts'
import { classifyUsage } from './answer.ts'
import { readCalls, readContent, readReasoning, writeCall, writeReasoning } from './messages.ts'

/**
 * `finish_reason` by the neutral reason, and the other way. The last two are Mistral's and DeepSeek's, of answers that are
 * not whole.
 */
export const readsStops: Readonly<Record<string, StopReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'filter',
  model_length: 'length',
  insufficient_system_resource: 'length',
}
export const writesStops: Readonly<Record<StopReason, string>> = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  filter: 'content_filter',
  refusal: 'content_filter',
  pause: 'stop',
}

/** Some providers say `stop` to a call of a tool, and Gemini says after a colon what it filtered. */
export function stopOf(reason: unknown, hasCalls: boolean): StopReason {
  const name = text(reason).split(':')[0]!
  const known = Object.hasOwn(readsStops, name) ? readsStops[name]! : 'stop'
  return known === 'stop' && hasCalls ? 'tool-calls' : known
}

/** What a message, or a piece of one, may say that no other dialect has. */
export function tellLosses(said: JsonBody, losses: Losses | undefined): void {
  for (const name of ['audio', 'function_call']) if (isRecord(said[name])) losses?.lose(`messages[].${name}`)
  for (const name of ['annotations', 'images']) if (list(said[name]).length > 0) losses?.lose(`messages[].${name}`)
}

/** What some providers say beside the message: the sources of it. */
export function tellSources(body: JsonBody, losses: Losses | undefined): void {
  for (const name of ['citations', 'search_results']) if (list(body[name]).length > 0) losses?.lose(name)
}

/** Reads a completion: its first choice. */
export function readAnswer(body: JsonBody, losses?: Losses): NeutralAnswer | undefined {
  if (!Array.isArray(body['choices'])) return undefined
  const { message, finish_reason: reason } = record(list(body['choices'])[0])
  const said = record(message)
  tellLosses(said, losses)
  tellSources(body, losses)
  // Not all who follow OpenAI name their calls; Anthropic wants no name twice in a whole conversation.
  const calls = readCalls(said['tool_calls'], losses).map((call) => ({ ...call, id: call.id || newId() }))
  const refusal = text(said['refusal'])
  return {
    id: text(body['id']),
    model: text(body['model']),
    parts: [
      ...readReasoning(said),
      ...readContent(said['content'], losses),
      ...(refusal === '' ? [] : [{ type: 'refusal', text: refusal } as const]),
      ...calls,
    ],
    stop: isRecord(message) ? stopOf(reason, calls.length > 0) : 'filter',
    usage: classifyUsage(body),
  }
}

/** Writes a completion. */
export function writeAnswer({ id, model, parts, stop, usage }: NeutralAnswer, { startedAt }: Asked): JsonBody {
  const joined = (type: 'text' | 'refusal') =>
    parts.flatMap((part) => (part.type === type ? [part.text] : [])).join('') || null
  const calls = parts.filter((part) => part.type === 'tool-call')
  const message = {
    role: 'assistant',
    content: joined('text'),
    refusal: joined('refusal'),
    ...writeReasoning(parts),
    ...(calls.length > 0 && { tool_calls: calls.map(writeCall) }),
  }
  return {
    id,
    object: 'chat.completion',
    created: Math.floor(startedAt / 1_000),
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: writesStops[stop] }],
    ...(usage && { usage: writeUsage(usage) }),
  }
}

/** Disjoint classes as OpenAI counts them: cached tokens inside the prompt's, reasoning inside the completion's. */
export function writeUsage(usage: Usage): JsonBody {
  const prompt = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens
  const completion = usage.outputTokens + usage.reasoningTokens
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  }
}
