import type { SignalboxError } from '../../errors.ts'
import type { Dialect, ProviderError } from '../dialect.ts'
import { isText, record } from '../json.ts'
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
    // The next turn may be another provider's: nothing that it would need is left with this one.
    if (request.body['store'] !== false) patch['store'] = false
    const { input } = request.body
    if (Array.isArray(input) && input.some(isForeignThought))
      patch['input'] = input.filter((item) => !isForeignThought(item))
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
  providerError,
}

/** A thought that another provider proved: OpenAI refuses it. */
function isForeignThought(item: unknown): boolean {
  const { type, encrypted_content: cipher } = record(item)
  return type === 'reasoning' && isText(cipher) && isForeign(cipher)
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
