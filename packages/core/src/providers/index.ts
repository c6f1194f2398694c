import type { ModelOptions } from '../config/options.ts'
import { anthropicProvider } from './anthropic.ts'
import { openaiCompatibleProvider } from './openai-compatible.ts'
import { openaiProvider } from './openai.ts'
import type { Provider } from './provider.ts'

/** Every provider by the name it has in a configuration. */
const providers: Readonly<Record<string, Provider<never>>> = {
  anthropic: anthropicProvider,
  openai: openaiProvider,
  'openai-compatible': openaiCompatibleProvider,
}

/** The provider of a model: the one that is named, or the one that was given. */
export function providerOf(model: ModelOptions): Provider<ModelOptions> {
  return (typeof model.provider === 'string' ? providers[model.provider] : model.provider) as Provider<ModelOptions>
}

/** Whether a provider is one of this package. */
export const isOwn = (provider: Provider<never>): boolean => Object.values(providers).includes(provider)
