import type { AnthropicModelOptions } from '../config/options.ts'
import { connectEndpoint } from './endpoint.ts'
import { type HeaderStyle, keyOf } from './outgoing.ts'
import type { Provider } from './provider.ts'
import type { Quirks } from './quirks.ts'
import { withoutBarredThinking } from './barred-thinking.ts'

/** Options of {@link anthropic}, besides the model's name. */
export type AnthropicOptions = Omit<AnthropicModelOptions, 'provider' | 'model'>

/**
 * A model at Anthropic, spoken to in its own dialect. The key is taken from the environment variable `ANTHROPIC_API_KEY`
 * where none is given. Where neither the caller nor `maxOutputTokens` says how much it may write, it is 16,384 tokens:
 * Anthropic wants to be told.
 *
 * @example
 * anthropic('claude-sonnet-4-5', { maxOutputTokens: 64_000 })
 */
export function anthropic(model: string, options: AnthropicOptions = {}): AnthropicModelOptions {
  return { ...options, provider: 'anthropic', model }
}

const anthropicBaseUrl = 'https://api.anthropic.com/v1'

const headers: HeaderStyle = {
  key: (key) => ({ 'x-api-key': key }),
  defaults: { 'anthropic-version': '2023-06-01' },
}

const quirks: Quirks = { mend: withoutBarredThinking }

/** Anthropic itself. https://platform.claude.com/docs/en/api/messages */
export const anthropicProvider: Provider<AnthropicModelOptions> = {
  name: 'anthropic',
  dialect: 'anthropic-messages',
  baseUrl: anthropicBaseUrl,
  connect(options, context) {
    const apiKey = keyOf(options, 'ANTHROPIC_API_KEY', context)
    return connectEndpoint(
      { baseUrl: options.baseUrl ?? anthropicBaseUrl, headers, dialects: ['anthropic-messages'], quirks },
      { ...options, apiKey },
      context,
    )
  },
}
