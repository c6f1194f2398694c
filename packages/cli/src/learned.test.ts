import { startSimulatedProvider } from '@signalbox/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { configFile, pricedModel, ran, served } from './testing/signalbox.ts'

it('serves a file whose route chooses by what was learned, with the package that comes with the command', async () => {
  const provider = await startSimulatedProvider()
  onTestFinished(() => provider.close())
  const candidates = { small: { like: 'gpt-4o-mini' }, large: { like: 'gpt-4o-2024-08-06' } }
  const strategy = { use: 'learned', candidates, lambda: 4 }
  const config = {
    version: 1,
    models: { small: pricedModel(provider.baseUrl, 0.4), large: pricedModel(provider.baseUrl, 10) },
    routes: {
      auto: { models: ['small', 'large'], strategy },
      lavish: { models: ['small', 'large'], strategy: { ...strategy, lambda: 0 } },
      thrifty: { models: ['small', 'large'], strategy: { ...strategy, lambda: 1e6 } },
    },
    plugins: ['@signalbox/classifier'],
  }
  const { url } = await served(configFile(config))
  const ask = async (route: string, content: string) => {
    const answer = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: route, messages: [{ role: 'user', content }] }),
    })
    return answer.headers.get('x-signalbox-model')
  }
  const proof = 'Prove that every bounded sequence of real numbers has a convergent subsequence, in detail.'
  expect(await ask('lavish', proof)).toBe('large')
  expect(await ask('thrifty', proof)).toBe('small')
  expect(await ask('auto', 'hi')).toMatch(/^(small|large)$/)

  const wrong = { ...config, routes: { auto: { models: ['small'], strategy: { use: 'learned', targetShare: 7 } } } }
  expect(await ran(['serve', '--config', configFile(wrong), '--check'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('targetShare: expected a number from 0 to 1, got 7'),
  })
})
