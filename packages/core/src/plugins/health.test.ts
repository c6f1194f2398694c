import { createFakeClock } from '@signalbox/testkit'
import { expect, it, onTestFinished } from 'vitest'
import type { Provider } from '../providers/provider.ts'
import { plainReply } from '../reply.ts'
import { createRouter } from '../router.ts'

it.each([
  [true, 10_000, 'thinker'],
  [true, 40_000, 'quick'],
  [false, 10_000, 'quick'],
])(
  'a model whose reasoning is %s, and that takes %d ms, is behind another or not',
  async (reasoning, tookMs, first) => {
    const clock = createFakeClock()
    const provider: Provider = {
      name: 'own',
      dialect: 'openai-chat',
      connect: (_options, { name: model }) => ({
        domain: model,
        async send() {
          if (model === 'thinker') await new Promise<void>((resolve) => void clock.setTimeout(resolve, tookMs))
          return plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model, body: Buffer.from('{}') })
        },
      }),
    }
    const router = createRouter({
      models: { thinker: { provider, reasoning }, quick: { provider } },
      routes: { auto: { models: ['thinker', 'quick'] } },
      clock,
    })
    onTestFinished(() => router.close())
    const ask = (model: string) => router.handle({ body: { model, messages: [] } })
    const asked = Array.from({ length: 10 }, () => ask('thinker'))
    await clock.advance(tookMs)
    await Promise.all(asked)
    const { candidates } = await router.explain({ body: { model: 'auto', messages: [] } })
    expect(candidates[0]!.name).toBe(first)
  },
)
