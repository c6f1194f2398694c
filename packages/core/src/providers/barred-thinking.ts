import { withoutForeignThoughts } from '../dialects/anthropic-messages/foreign-thoughts.ts'
import { list, record } from '../dialects/json.ts'
import type { JsonBody } from '../dialects/json-request.ts'
import type { Mended } from './quirks.ts'

/**
 * Takes back a budget for thinking where the calls of tools that are being answered do not begin with a thought of
 * Anthropic's own, because another provider made them: it would refuse the whole conversation. Adaptive thinking it allows.
 */
export function withoutBarredThinking({ thinking, messages }: JsonBody): Mended | undefined {
  if (record(thinking)['type'] !== 'enabled') return undefined
  const own = withoutForeignThoughts(messages) ?? list(messages)
  const last = own.map(record).findLast(({ role }) => role === 'assistant')
  const blocks = list(last?.['content']).map(record)
  const callsTools = blocks.some(({ type }) => type === 'tool_use')
  const thinks = ['thinking', 'redacted_thinking'].includes(blocks[0]?.['type'] as string)
  return callsTools && !thinks ? { patch: { thinking: undefined }, skipped: ['thinking'] } : undefined
}
