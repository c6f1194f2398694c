import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'

/** Input, cached input, output with what was thought, in tokens. */
export type Counts = readonly [number, number, number]

/** What each dialect's usage says, in disjoint counts: only Anthropic counts cached input beside the input. */
export const countsOf = {
  completion(usage: OpenAI.CompletionUsage | null | undefined): Counts {
    const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0
    return [(usage?.prompt_tokens ?? 0) - cached, cached, usage?.completion_tokens ?? 0]
  },
  message(usage: Anthropic.Usage): Counts {
    return [usage.input_tokens, usage.cache_read_input_tokens ?? 0, usage.output_tokens]
  },
  response(usage: OpenAI.Responses.ResponseUsage | undefined): Counts {
    const cached = usage?.input_tokens_details.cached_tokens ?? 0
    return [(usage?.input_tokens ?? 0) - cached, cached, usage?.output_tokens ?? 0]
  },
}
