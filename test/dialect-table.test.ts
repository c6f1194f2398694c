import { describe, expect, it } from 'vitest'
import { translateRequest } from '../packages/core/src/dialects/translate.ts'
import { dialectTables, fatesOf, translatedPairs } from './support/dialect-table.ts'

const target = { provider: 'openai', model: 'there', maxOutputTokens: undefined, reasoning: false }
const schema = { type: 'object', properties: {} }
const message = { role: 'user', content: 'hello' }

/** A value of each field that asks for something. */
const samples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'openai-chat': {
    messages: [message],
    tools: [{ type: 'function', function: { name: 'f', parameters: schema } }],
    tool_choice: 'required',
    parallel_tool_calls: false,
    max_completion_tokens: 50,
    max_tokens: 50,
    temperature: 0.5,
    top_p: 0.5,
    top_k: 5,
    stop: ['end'],
    stream: true,
    stream_options: { include_usage: true },
    seed: 1,
    n: 2,
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
    reasoning_effort: 'low',
    verbosity: 'low',
    frequency_penalty: 0.5,
    presence_penalty: 0.5,
    logprobs: true,
    top_logprobs: 2,
    user: 'u1',
    logit_bias: { 50256: -100 },
    modalities: ['text', 'audio'],
    audio: { voice: 'alloy', format: 'wav' },
    functions: [{ name: 'f' }],
    function_call: { name: 'f' },
    prediction: { type: 'content', content: 'hello' },
    web_search_options: { search_context_size: 'low' },
    metadata: { a: 'b' },
    store: true,
    service_tier: 'flex',
    prompt_cache_key: 'k',
    prompt_cache_retention: '24h',
    safety_identifier: 's',
  },
  'anthropic-messages': {
    system: 'Be brief.',
    messages: [message],
    tools: [{ name: 'f', input_schema: schema }],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    max_tokens: 50,
    temperature: 0.5,
    top_p: 0.5,
    top_k: 5,
    stop_sequences: ['end'],
    stream: true,
    thinking: { type: 'enabled', budget_tokens: 2_000 },
    output_config: { effort: 'low', format: { type: 'json_schema', schema } },
    output_format: { type: 'json_schema', schema },
    metadata: { user_id: 'u1' },
    cache_control: { type: 'ephemeral' },
    service_tier: 'auto',
    speed: 'fast',
    diagnostics: { previous_message_id: 'msg_1' },
    user_profile_id: 'u',
    workspace_id: 'w',
    context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
    mcp_servers: [{ type: 'url', url: 'https://example.com', name: 'a' }],
    container: 'c',
    inference_geo: 'eu',
  },
  'openai-responses': {
    instructions: 'Be brief.',
    input: [message],
    tools: [{ type: 'function', name: 'f', parameters: schema }],
    tool_choice: 'required',
    parallel_tool_calls: false,
    max_output_tokens: 50,
    temperature: 0.5,
    top_p: 0.5,
    stream: true,
    text: { format: { type: 'json_schema', name: 'answer', schema }, verbosity: 'low' },
    reasoning: { effort: 'low' },
    user: 'u1',
    safety_identifier: 's',
    include: ['message.output_text.logprobs'],
    truncation: 'auto',
    top_logprobs: 2,
    max_tool_calls: 3,
    context_management: [{ type: 'compaction' }],
    store: false,
    background: false,
    stream_options: { include_obfuscation: false },
    metadata: { a: 'b' },
    service_tier: 'flex',
    prompt_cache_key: 'k',
    prompt_cache_retention: '24h',
  },
}

/** Fields that say several things, of which the other dialect may not have all, and those that may only say nothing. */
const partial = new Set(['text', 'output_config', 'tool_choice', 'background'])

it('docs/dialects.md says what the code does: run this test with -u', async () => {
  await expect(dialectTables()).toMatchFileSnapshot('../docs/dialects.md')
})

describe.each(translatedPairs)('the table from $from.name to $to.name', ({ from, to }) => {
  const needed = {
    'openai-chat': ['messages', 'tools'],
    'anthropic-messages': ['messages', 'tools'],
    'openai-responses': ['input', 'tools'],
  }
  const fixed = Object.fromEntries(
    needed[from.name as keyof typeof needed].map((field) => [field, samples[from.name]![field]]),
  )

  it('has a sample for each of its fields', () => {
    expect(Object.keys(samples[from.name]!).toSorted()).toEqual(Object.keys(from.translation.reads).toSorted())
  })

  it.each(fatesOf(from, to).filter(({ field }) => !partial.has(field) && samples[from.name]![field] !== false))(
    'is true of $field',
    ({ field, to: becomes, isHint }) => {
      const body = { model: 'here', ...fixed, [field]: samples[from.name]![field] }

      const { request, lost, skipped } = translateRequest(from.parse(body), from, to, target)

      const carried = becomes.length > 0
      expect(lost).toEqual(carried || isHint ? [] : [field])
      expect(skipped).toEqual(!carried && isHint ? [field] : [])
      const names = becomes.flatMap((name) => name.split(', ')).map((name) => name.split(/[.[]/)[0]!)
      expect(names.length === 0 || names.some((name) => name === 'usage' || name in request.body)).toBe(true)
    },
  )

  it('is true of a field that is in no table', () => {
    const body = { model: 'here', ...fixed, unheard_of: 1 }

    expect(translateRequest(from.parse(body), from, to, target).lost).toEqual(['unheard_of'])
  })
})
