import type { OpenAiModelOptions } from '../config/options.ts'
import { connectEndpoint } from './endpoint.ts'
import { bearer } from './outgoing.ts'
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

const openaiBaseUrl = 'https://api.openai.com/v1'

/** OpenAI itself. https://platform.openai.com/docs/api-reference */
export const openaiProvider: Provider<OpenAiModelOptions> = {
  name: 'openai',
  dialect: 'openai-chat',
  baseUrl: openaiBaseUrl,
  connect(options, context) {
    const apiKey = options.apiKey ?? process.env['OPENAI_API_KEY']
    const baseUrl = options.baseUrl ?? openaiBaseUrl
    return connectEndpoint({ baseUrl, headers: bearer }, { ...options, apiKey }, context)
  },
}
