import type { SignalboxError } from '../../errors.ts'
import type { Dialect, ProviderError } from '../dialect.ts'
import { isText, list, record } from '../json.ts'
import { JsonRequest, parseJsonRequest } from '../json-request.ts'
import { providerError } from '../openai-chat/answer.ts'
import { errorBody, jsonBytes, toldBody } from '../openai-error.ts'
import { isForeign } from '../proof.ts'
import { classifyAnswer, classifyEvent } from './answer.ts'
import { responsesView } from './request.ts'
import { refuseState } from './state.ts'
import { responsesTranslation } from './translation.ts'

/**
 * OpenAI's responses, without what the provider would have to keep. https://platform.openai.com/docs/api-reference/responses
 */
export const openaiResponses: Dialect = {
  name: 'openai-responses',
  surface: 'chat',
  path: '/responses',
  translation: responsesTranslation,
  terminator: undefined,
  parse(body) {
    const request = parseJsonRequest(body, responsesView)
    refuseState(request.body)
    return request
  },
  patch(request, { model }) {
    const patch: Record<string, unknown> = {}
    if (request.model !== model) patch['model'] = model
    const { input, include, store } = request.body
    // The next turn may be another provider's: nothing that it would need is left with this one.
    if (store !== false) {
      patch['store'] = false
      if (givesCiphers.test(model)) patch['include'] = [...new Set([...list(include), cipherOfThoughts])]
    }
    if (Array.isArray(input) && input.some(isLostThought)) patch['input'] = input.filter((item) => !isLostThought(item))
    return request instanceof JsonRequest ? request.spliced(patch) : request.with(patch).bytes
  },
  limitOutput: (request, tokens) => request.with({ max_output_tokens: tokens }),
  wantsUsage: () => true,
  error: (error) => jsonBytes(errorBody(error)),
  errorEvent: (error) => Buffer.from(errorEvent(ownError(error))),
  told: toldBody,
  toldEvent: errorEvent,
  classifyEvent,
  // Each event has its own number, and padding of its own length.
  isDelta: () => false,
  classifyAnswer,
  isSaid: ({ name, holder }) => said.has(`${String(holder['type'])} ${name}`),
  providerError,
}

/** Fields that hold what the model says, behind the type of what they stand in. */
const said: ReadonlySet<string> = new Set([
  'output_text text',
  'refusal refusal',
  'response.output_text.delta delta',
  'response.output_text.done text',
  'response.refusal.delta delta',
  'response.refusal.done refusal',
])

/** The models that give their thoughts in cipher, by which the next turn can go on with them. All others refuse to be asked. */
const givesCiphers = /^(o\d|gpt-[5-9](?!.*chat))/
const cipherOfThoughts = 'reasoning.encrypted_content'

/**
 * A thought that another provider proved, or one that stands nowhere: OpenAI answers with 404 that it kept none. Without it
 * the conversation goes on.
 */
function isLostThought(item: unknown): boolean {
  const { type, encrypted_content: cipher } = record(item)
  return type === 'reasoning' && (!isText(cipher) || isForeign(cipher))
}

function ownError(error: SignalboxError): ProviderError {
  const { message, type, code } = errorBody(error).error
  return { message, type, code }
}

/** OpenAI documents the fields at the top, and sends those in `error`, by which its clients know to throw. */
function errorEvent(error: ProviderError): string {
  const { error: told } = toldBody(error)
  const { code, message, param } = told
  return `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param, error: told, sequence_number: 0 })}\n\n`
}
