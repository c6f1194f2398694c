import { createHash } from 'node:crypto'
import { isText, list, record } from '../dialects/json.ts'
import type { JsonBody } from '../dialects/json-request.ts'
import type { Mended } from './quirks.ts'

/**
 * A conversation whose tool calls have ids as Mistral wants them, nine letters and digits: those that another provider gave
 * would be a 400 of the whole call. The same id becomes the same one every time.
 */
export function withShortToolIds({ messages }: JsonBody): Mended | undefined {
  const ids = list(messages).flatMap((message) => idsIn(record(message)))
  if (ids.every(isShort)) return undefined
  return { patch: { messages: list(messages).map((message) => withIds(record(message))) } }
}

const isShort = (id: unknown) => !isText(id) || /^[a-zA-Z0-9]{9}$/.test(id)

const idsIn = ({ tool_calls: calls, tool_call_id: answered }: JsonBody): unknown[] => [
  answered,
  ...list(calls).map((call) => record(call)['id']),
]

function withIds(message: JsonBody): JsonBody {
  const { tool_calls: calls, tool_call_id: answered } = message
  return {
    ...message,
    ...(isText(answered) && { tool_call_id: shortened(answered) }),
    ...(Array.isArray(calls) && { tool_calls: calls.map((call) => withId(record(call))) }),
  }
}

const withId = (call: JsonBody): JsonBody => (isText(call['id']) ? { ...call, id: shortened(call['id']) } : call)

/** 45 bits of it: two ids of one conversation do not meet. */
const shortened = (id: string): string =>
  isShort(id)
    ? id
    : BigInt(`0x${createHash('sha256').update(id).digest('hex')}`)
        .toString(36)
        .slice(0, 9)
