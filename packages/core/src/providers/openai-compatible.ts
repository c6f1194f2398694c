import type { OpenAiCompatibleModelOptions } from '../config/options.ts'
import { connectEndpoint } from './endpoint.ts'
import { dialectsOf, openaiDialects } from './openai.ts'
import { type HeaderStyle, bearer } from './outgoing.ts'
import type { Provider } from './provider.ts'
import { quirksAt } from './quirks.ts'

/** Options of {@link openaiCompatible}. */
export type OpenAiCompatibleOptions = Omit<OpenAiCompatibleModelOptions, 'provider'>

/**
 * A model behind any endpoint that speaks OpenAI's chat completions. What DeepSeek, Mistral, Groq, Ollama, vLLM,
 * OpenRouter, Azure and Gemini do differently is known by their hosts, or by `vendor`.
 *
 * @example
 * openaiCompatible({ baseUrl: 'https://api.deepseek.com/v1', model: 'deepseek-chat', apiKey: process.env.DEEPSEEK_API_KEY })
 */
export function openaiCompatible(options: OpenAiCompatibleOptions): OpenAiCompatibleModelOptions {
  return { ...options, provider: 'openai-compatible' }
}

const spoken = ['openai-chat', 'openai-embeddings'] as const

/** Any endpoint that speaks OpenAI's chat completions. */
export const openaiCompatibleProvider: Provider<OpenAiCompatibleModelOptions> = {
  name: 'openai-compatible',
  dialect: spoken,
  connect(options, context) {
    const { baseUrl, dialect, vendor } = options
    const { hostname, pathname } = new URL(baseUrl)
    if (vendor !== 'azure' && (vendor || !azureHosts.test(hostname))) {
      const dialects = dialectsOf(dialect, spoken)
      return connectEndpoint(
        { baseUrl, headers: bearer, dialects, quirks: quirksAt(hostname, vendor) },
        options,
        context,
      )
    }
    const prefix = /\/(deployments\/|v1\b)/.test(pathname) ? '' : deploymentOf(pathname, options.model ?? context.name)
    const dialects = dialectsOf(dialect, openaiDialects)
    return connectEndpoint({ baseUrl, headers: azureKey, dialects, prefix }, options, context)
  },
}

const azureHosts = /\.(openai\.azure\.com|cognitiveservices\.azure\.com|services\.ai\.azure\.com)$/
const azureKey: HeaderStyle = { key: (key) => ({ 'api-key': key }) }

/** Azure names the model in the path, where the base URL is that of the resource. */
function deploymentOf(pathname: string, model: string): string {
  return `${/\/openai\/?$/.test(pathname) ? '' : '/openai'}/deployments/${encodeURIComponent(model)}`
}
