import { isText, list, record } from '../dialects/json.ts'
import type { JsonBody } from '../dialects/json-request.ts'
import type { Mended } from './quirks.ts'

/** What Gemini takes for the signature of a call that another model made. https://ai.google.dev/gemini-api/docs/thought-signatures */
const ofAnother = { google: { thought_signature: 'skip_thought_signature_validator' } }

/**
 * A conversation in which the tool calls of each message are signed, as Gemini wants them from 3 on: those that another
 * provider made, or that came back in another dialect, would be a 400 of the whole call. It signs the first of a message.
 */
export function withThoughtSignatures({ messages }: JsonBody, model: string): Mended | undefined {
  if (!/gemini-([3-9]|\d\d)/.test(model) || !list(messages).some(isUnsigned)) return undefined
  return {
    patch: { messages: list(messages).map((message) => (isUnsigned(message) ? signed(record(message)) : message)) },
  }
}

const callsOf = (message: unknown) => list(record(message)['tool_calls'])

function isUnsigned(message: unknown): boolean {
  const [first] = callsOf(message)
  const { google } = record(record(first)['extra_content'])
  return first !== undefined && !isText(record(google)['thought_signature'])
}

function signed(message: JsonBody): JsonBody {
  const [first, ...others] = callsOf(message)
  return { ...message, tool_calls: [{ ...record(first), extra_content: ofAnother }, ...others] }
}
