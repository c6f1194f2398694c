import { SignalboxError } from '../../errors.ts'
import { hasValue, list, record } from '../json.ts'
import type { JsonBody } from '../json-request.ts'

/** What a request can ask for only of a provider that kept something, and what to do instead. */
const states: Readonly<Record<string, string>> = {
  previous_response_id: 'send the whole conversation as `input`',
  conversation: 'send the whole conversation as `input`',
  prompt: 'send `instructions` and `input`',
  background: 'wait for the answer, or let it stream',
  store: 'leave it out, or send `false`',
}

/**
 * Refuses what needs state at the provider: the next turn may go to another one.
 *
 * @throws SignalboxError `state_unsupported`
 */
export function refuseState(body: JsonBody): void {
  for (const [field, instead] of Object.entries(states)) {
    if (hasValue(body[field]) && body[field] !== false) throw unsupported(field, instead)
  }
  if (list(body['input']).some((item) => record(item)['type'] === 'item_reference')) {
    throw unsupported('input', 'send items whole, and reasoning with its `encrypted_content`')
  }
}

const unsupported = (field: string, instead: string) =>
  new SignalboxError('state_unsupported', `Nothing is kept between calls, which \`${field}\` asks for: ${instead}`, {
    param: field,
  })
