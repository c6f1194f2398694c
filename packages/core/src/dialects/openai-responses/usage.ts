import { record } from '../json.ts'
import type { Usage } from '../../types.ts'
import type { JsonBody } from '../json-request.ts'
import { normaliseUsage as normaliseChatUsage } from '../openai-chat/usage.ts'

/** What a response says was used, and at which tier: the same counts as in chat completions, under other names. */
export const usageIn = ({ usage, service_tier: tier }: JsonBody): Usage | undefined => {
  const said = record(usage)
  return normaliseChatUsage({
    prompt_tokens: said['input_tokens'],
    completion_tokens: said['output_tokens'],
    total_tokens: said['total_tokens'],
    prompt_tokens_details: said['input_tokens_details'],
    completion_tokens_details: said['output_tokens_details'],
    service_tier: tier,
  })
}
