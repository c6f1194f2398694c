import type { OpenAiModelOptions } from '../config/options.ts'
import type { DialectName } from '../types.ts'
import { connectEndpoint } from './endpoint.ts'
import { bearer, keyOf } from './outgoing.ts'
import type { Provider } from './provider.ts'

/** Options of {@link openai}, besides the model's name. */
export type OpenAiOptions = Omit<OpenAiModelOptions, 'provider' | 'model'>

/**
 * A model at OpenAI. The key is taken from the environment variable `OPENAI_API_KEY` where none is given.
 *
 * @example
 * openai('gpt-4.1')
 */
export function openai(model: string, options: OpenAiOptions = {}): OpenAiModelOptions {
  return { ...options, provider: 'openai', model }
}

/** What OpenAI, and Azure after it, are spoken to in. */
export const openaiDialects = [
  'openai-chat',
  'openai-responses',
  'openai-embeddings',
] as const satisfies readonly DialectName[]

/** The dialects of a model that takes chat in one of them only. */
export const dialectsOf = (only: DialectName | undefined, all: readonly DialectName[]): readonly DialectName[] =>
  only === undefined ? all : [only, 'openai-embeddings']

const openaiBaseUrl = 'https://api.openai.com/v1'

/** OpenAI itself. https://platform.openai.com/docs/api-reference */
export const openaiProvider: Provider<OpenAiModelOptions> = {
  name: 'openai',
  dialect: openaiDialects,
  baseUrl: openaiBaseUrl,
  connect(options, context) {
    const apiKey = keyOf(options, 'OPENAI_API_KEY', context)
    const baseUrl = options.baseUrl ?? openaiBaseUrl
    return connectEndpoint(
      { baseUrl, headers: bearer, dialects: dialectsOf(options.dialect, openaiDialects) },
      { ...options, apiKey },
      context,
    )
  },
}
