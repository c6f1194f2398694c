import { type Call, type CallState, createRouter, definePlugin } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { pluginContract } from '@signalbox/testkit/plugin'
import { expect, expectTypeOf, it } from 'vitest'
import hello from './index.ts'

pluginContract(hello)

it.each([
  [hello(), 'Hello, world!'],
  [hello({ name: 'Ada' }), 'Hello, Ada!'],
])('hands a greeting to what stands further in, and the call goes on', async (plugin, greeting) => {
  const provider = await startSimulatedProvider()
  const seen: (string | undefined)[] = []
  const reader = definePlugin({
    name: 'reader',
    requires: ['hello'],
    call: {
      stage: 'classify',
      run(call, next) {
        seen.push(call.state.hello)
        return next(call)
      },
    },
  })
  const router = createRouter({
    models: { 'gpt-4.1': { provider: 'openai-compatible', baseUrl: provider.baseUrl, apiKey: 'any' } },
    plugins: [reader, plugin],
  })
  const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'Hi' }] }
  expect(await router.handle({ body })).toMatchObject({ status: 200, model: 'gpt-4.1' })
  expect(seen).toEqual([greeting])
  await router.close()
  await provider.close()
})

it('tells TypeScript what it adds to the state of a call', () => {
  expectTypeOf<CallState>().toHaveProperty('hello').toEqualTypeOf<string>()
  expectTypeOf<Call['state']['hello']>().toEqualTypeOf<string | undefined>()
})
