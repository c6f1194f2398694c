import { record } from '../json.ts'
import { normaliseUsage as normaliseChatUsage } from '../openai-chat/usage.ts'
import type { UsageNormaliser } from '../usage.ts'

/** The same counts as in chat completions, under other names. */
export const normaliseUsage: UsageNormaliser = (raw) => {
  const said = record(raw)
  return normaliseChatUsage({
    prompt_tokens: said['input_tokens'],
    completion_tokens: said['output_tokens'],
    total_tokens: said['total_tokens'],
    prompt_tokens_details: said['input_tokens_details'],
    completion_tokens_details: said['output_tokens_details'],
  })
}
