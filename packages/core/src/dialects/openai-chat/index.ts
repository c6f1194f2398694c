import type { Dialect } from '../dialect.ts'
import { hasValue } from '../json.ts'
import { errorBody, jsonBytes, toldBody } from '../openai-error.ts'
import { JsonRequest, parseJsonRequest } from '../json-request.ts'
import { classifyAnswer, classifyEvent, providerError } from './answer.ts'
import { chatView } from './request.ts'
import { chatTranslation } from './translation.ts'

/** OpenAI's chat completions. https://platform.openai.com/docs/api-reference/chat */
export const openaiChat: Dialect = {
  name: 'openai-chat',
  surface: 'chat',
  path: '/chat/completions',
  translation: chatTranslation,
  terminator: Buffer.from('data: [DONE]\n\n'),
  parse: (body) => parseJsonRequest(body, chatView),

  patch(request, { model, quirks }) {
    const patch: Record<string, unknown> = {}
    if (request.model !== model) patch['model'] = model
    const mayAsk = !quirks?.refusesHints?.includes('stream_options')
    if (request.parameters.stream && mayAsk && !openaiChat.wantsUsage(request)) {
      const options = request.body['stream_options']
      patch['stream_options'] = { ...(typeof options === 'object' && options), include_usage: true }
    }
    return request instanceof JsonRequest ? request.spliced(patch) : request.with(patch).bytes
  },

  limitOutput(request, tokens, provider) {
    const { max_completion_tokens: newest, max_tokens: older } = request.body
    const newer = hasValue(newest) || (provider === 'openai' && !hasValue(older))
    if (!newer) return request.with({ max_tokens: tokens })
    return request.with({ max_completion_tokens: tokens, ...(hasValue(older) && { max_tokens: undefined }) })
  },

  wantsUsage: (request) =>
    (request.body['stream_options'] as { include_usage?: unknown } | undefined | null)?.include_usage === true,
  error: (error) => jsonBytes(errorBody(error)),
  errorEvent: (error) => Buffer.from(`data: ${JSON.stringify(errorBody(error))}\n\n`),
  classifyEvent,
  told: toldBody,
  toldEvent: (error) => `data: ${JSON.stringify(toldBody(error))}\n\n`,
  isDelta: (bytes) => deltaEndings.some((ending) => endsWith(bytes, ending)),
  classifyAnswer,
  isSaid: ({ path }) => said.test(path),
  providerError,
}

/** Content is a text, or a list of parts. */
const said = /^\.choices\.[^.]+\.(?:message|delta)\.(?:content|refusal|content\.[^.]+\.(?:text|refusal))$/

/** How OpenAI, and nearly all who follow it, end the JSON of a delta that does not finish, and the event. */
const deltaEndings = ['"finish_reason":null}]}\n\n', '"finish_reason":null}],"usage":null}\n\n'].map((text) =>
  Buffer.from(text),
)

/** Whether bytes end with others. */
function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  const offset = bytes.length - tail.length
  if (offset < 0) return false
  for (let index = tail.length - 1; index >= 0; index--) if (bytes[offset + index] !== tail[index]) return false
  return true
}
