import { bufferOf } from '../../buffer.ts'
import type { Message, Request } from '../../types.ts'
import type { AnswerClass, Dialect } from '../dialect.ts'
import { isRecord, list, parseJson, text } from '../json.ts'
import { type JsonBody, JsonRequest, type RequestView, parseJsonRequest } from '../json-request.ts'
import { providerError } from '../openai-chat/answer.ts'
import { normaliseUsage } from '../openai-chat/usage.ts'
import { errorBody, jsonBytes, toldBody } from '../openai-error.ts'

const view: RequestView = {
  messages: ({ input }) => (Array.isArray(input) && !isTokens(input) ? input : [input]).map(messageOf),
  tools: () => [],
  parameters: () => ({ stream: false }),
  modality: () => new Set(['text']),
  media: () => ({ parts: [], bytes: 0 }),
  mapText: ({ input }, map) => ({ input: mapInput(input, map) }),
  fields: {},
}

function mapInput(input: unknown, map: (text: string, role: string) => string): unknown {
  if (typeof input === 'string') return map(input, 'user')
  return Array.isArray(input) ? input.map((one: unknown) => (typeof one === 'string' ? map(one, 'user') : one)) : input
}

const isTokens = (input: readonly unknown[]) => typeof input[0] === 'number'

/** Texts may come as tokens: each then stands here as a word. */
const messageOf = (input: unknown): Message => ({
  role: 'user',
  text: Array.isArray(input) ? input.map(() => 'a').join(' ') : text(input),
})

/** OpenAI's embeddings. They never stream, and no other dialect has them. https://platform.openai.com/docs/api-reference/embeddings */
export const openaiEmbeddings: Dialect = {
  name: 'openai-embeddings',
  surface: 'embeddings',
  path: '/embeddings',
  terminator: undefined,
  parse: (body) => parseJsonRequest(body, view),
  patch(request, { model }) {
    const patch: JsonBody = request.model === model ? {} : { model }
    return request instanceof JsonRequest ? request.spliced(patch) : request.with(patch).bytes
  },
  limitOutput: (request: Request) => request,
  wantsUsage: () => true,
  error: (error) => jsonBytes(errorBody(error)),
  errorEvent: (error) => Buffer.from(`data: ${JSON.stringify(errorBody(error))}\n\n`),
  told: toldBody,
  toldEvent: (error) => `data: ${JSON.stringify(toldBody(error))}\n\n`,
  classifyEvent: () => ({ kind: 'malformed' }),
  isDelta: () => false,
  classifyAnswer,
  isSaid: () => false,
  providerError,
}

function classifyAnswer(body: Uint8Array): AnswerClass {
  if (body.length === 0) return { fault: 'empty' }
  const answer = parseJson(bufferOf(body).toString())
  if (answer === undefined) return { fault: 'parse' }
  const error = providerError(answer)
  if (error) return { error }
  if (!isRecord(answer) || list(answer['data']).length === 0) return { fault: 'shape' }
  const usage = normaliseUsage(answer['usage'])
  return usage ? { usage } : {}
}
