import type { OpenAiCompatibleModelOptions } from '../config/options.ts'
import { connectEndpoint } from './endpoint.ts'
import { bearer } from './outgoing.ts'
import type { Provider } from './provider.ts'

/** Options of {@link openaiCompatible}. */
export type OpenAiCompatibleOptions = Omit<OpenAiCompatibleModelOptions, 'provider'>

/**
 * A model behind any endpoint that speaks OpenAI's chat completions.
 *
 * @example
 * openaiCompatible({ baseUrl: 'https://api.deepseek.com/v1', model: 'deepseek-chat', apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function openaiCompatible(options: OpenAiCompatibleOptions): OpenAiCompatibleModelOptions {
  return { ...options, provider: 'openai-compatible' }
}

/** Any endpoint that speaks OpenAI's chat completions. */
export const openaiCompatibleProvider: Provider<OpenAiCompatibleModelOptions> = {
  name: 'openai-compatible',
  dialect: 'openai-chat',
  connect: (options, context) => connectEndpoint({ baseUrl: options.baseUrl, headers: bearer }, options, context),
}
