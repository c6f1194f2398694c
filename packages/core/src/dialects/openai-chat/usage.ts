import { isRecord } from '../../is-record.ts'
import type { Usage } from '../../types.ts'
import { Counts, type UsageNormaliser, partsOf } from '../usage.ts'

/**
 * OpenAI counts cached and written tokens inside `prompt_tokens`, and reasoning inside `completion_tokens`. Not all who
 * speak its dialect do: xAI counts reasoning beside them, Gemini counts thoughts in `total_tokens` only. The total tells
 * which it is.
 */
export const normaliseUsage: UsageNormaliser = (raw) => {
  if (!isRecord(raw)) return undefined
  const counts = new Counts()
  const total = counts.needed(raw['total_tokens'])
  const prompt = counts.needed(raw['prompt_tokens'])
  const completion = counts.needed(raw['completion_tokens'] ?? (total !== undefined && total - (prompt ?? NaN)))
  if (prompt === undefined || completion === undefined || prompt + completion === 0) return undefined

  const input = partsOf(raw, 'prompt_tokens_details')
  const output = partsOf(raw, 'completion_tokens_details')
  if (counts.part(input['audio_tokens']) + counts.part(output['audio_tokens']) > 0) counts.faults.add('audio')
  counts.noteOtherPrices(raw)
  return classesOf(counts, {
    prompt,
    completion,
    total,
    cached: counts.part(
      input['cached_tokens'],
      raw['cached_tokens'],
      raw['prompt_cache_hit_tokens'],
      raw['num_cached_tokens'],
    ),
    written: counts.part(
      input['cache_write_tokens'],
      input['cache_creation_tokens'],
      raw['cache_creation_input_tokens'],
    ),
    reasoning: counts.part(output['reasoning_tokens'], raw['reasoning_tokens']),
  })
}

interface Said {
  readonly prompt: number
  readonly completion: number
  readonly total: number | undefined
  readonly cached: number
  readonly written: number
  readonly reasoning: number
}

function classesOf(counts: Counts, { prompt, completion, total, cached, written, reasoning }: Said): Usage {
  const stored = cached + written
  const inputs = stored <= prompt ? [prompt, prompt + stored] : [prompt + stored]
  const outputs = reasoning <= completion ? [completion, completion + reasoning] : [completion + reasoning]
  const exact = pairOf(inputs, outputs, total)
  const [allInput, stated] = exact ?? [inputs[0]!, outputs[0]!]
  if (!exact) {
    if (stored > prompt) counts.faults.add('cached_above_input')
    if (reasoning > completion) counts.faults.add('reasoning_above_output')
    if (total !== undefined) counts.faults.add('total_mismatch')
  }
  if (allInput === 0) counts.faults.add('no_input')
  const unnamed = Math.max(0, (total ?? 0) - allInput - stated)
  const spoken = stated - reasoning
  return counts.usage({
    inputTokens: allInput - stored,
    cachedInputTokens: cached,
    cacheWriteTokens: written,
    outputTokens: spoken,
    reasoningTokens: reasoning + unnamed,
  })
}

/** The first of each that come to the total. */
function pairOf(inputs: readonly number[], outputs: readonly number[], total: number | undefined) {
  for (const input of inputs)
    for (const output of outputs) if (input + output === total) return [input, output] as const
  return undefined
}
