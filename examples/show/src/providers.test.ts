import { expect, it } from 'vitest'
import { chooseProviders } from './providers.ts'

it('uses the real providers whose keys are in the environment, and fakes no outage there', async () => {
  const providers = await chooseProviders({ OPENAI_API_KEY: 'sk-1', GROQ_API_KEY: 'gsk-2', MISTRAL_API_KEY: '' })
  expect(providers.simulated).toBeUndefined()
  expect(providers.fast).toEqual(['gpt-4.1-mini', 'llama-3.1-8b-instant'])
  expect(providers.models['gpt-4.1']).toMatchObject({ baseUrl: 'https://api.openai.com/v1', apiKey: 'sk-1' })
  expect(providers.models['llama-3.3-70b-versatile']).toMatchObject({ apiKey: 'gsk-2' })
})
