import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { plainReply, streamOf, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Ended, Reply, Usage } from '../types.ts'
import type { Provider } from './provider.ts'

const whole: Usage = { inputTokens: 3, cachedInputTokens: 1, cacheWriteTokens: 1, outputTokens: 2, reasoningTokens: 1 }
/** What "Say something." is estimated at, and the 12 bytes of the answer. */
const estimated = {
  ...whole,
  inputTokens: 8,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 3,
  reasoningTokens: 0,
}

const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const body = Buffer.from('{"choices":1')
const plain = (ended: unknown) => plainReply({ ...head, body, ended: () => ended as Ended })

/** What a call is charged that a provider of the user's own answers: 1 nano-USD for a token of input, 10 for one of output. */
async function chargeOf(reply: Reply) {
  const provider: Provider = {
    name: 'theirs',
    dialect: 'openai-chat',
    connect: () => ({ domain: 'd', send: async () => reply }),
  }
  const router = createRouter({
    models: { a: { provider, price: { input: 0.001, output: 0.01 } } },
    budgets: [{ per: 'all', window: 'day', limitUsd: 1 }],
    ledger: 'memory',
    clock: createFakeClock(),
  })
  onTestFinished(() => router.close())
  const messages = [{ role: 'user', content: 'Say something.' }]
  const answer = await router.handle({ body: { model: 'a', messages, max_tokens: 50 } })
  const { how, usage } = await answer.ended
  await new Promise((resolve) => setImmediate(resolve))
  const [row] = [...router.ledger!.attempts()]
  const [budget] = await router.budgets()
  expect({ settled: Number(budget!.settledUsd) * 1e9, held: budget!.heldUsd }).toEqual({
    settled: expect.closeTo(Number(row!.costNanoUsd)),
    held: '0',
  })
  return { how, usage, nanoUsd: Number(row!.costNanoUsd), estimated: row!.estimated }
}

describe('a provider of the user', () => {
  it('is believed where it gives counts', async () => {
    const ended = { how: 'complete', usage: whole, estimated: false } as const
    expect(await chargeOf(plain(ended))).toEqual({ how: 'complete', usage: whole, nanoUsd: 5 + 30, estimated: false })
  })

  it.each([NaN, -1, 1.5, undefined, '3', 2 ** 40, Infinity])(
    'that counts %s is estimated in that class',
    async (count) => {
      const ended = { how: 'complete', usage: { ...whole, inputTokens: count }, estimated: false }
      const usage = { ...whole, inputTokens: 8, faults: ['not_a_count'] }
      expect(await chargeOf(plain(ended))).toEqual({ how: 'complete', usage, nanoUsd: 10 + 30, estimated: true })
    },
  )

  it.each([NaN, -1, 1.5])('that counts %s of its long cache writes is believed in the rest', async (count) => {
    const ended = { how: 'complete', usage: { ...whole, longCacheWriteTokens: count }, estimated: false }
    const usage = { ...whole, faults: ['not_a_count'] }
    expect(await chargeOf(plain(ended))).toEqual({ how: 'complete', usage, nanoUsd: 5 + 30, estimated: true })
  })

  it.each([undefined, null, {}, { how: 'complete' }])('that ends with %o is estimated', async (ended) => {
    const usage = { ...estimated, faults: ['not_a_count'] }
    expect(await chargeOf(plain(ended))).toEqual({ how: 'complete', usage, nanoUsd: 8 + 30, estimated: true })
  })

  it('whose stream breaks its promise to end is charged for all it was allowed to write', async () => {
    const ended = Promise.reject(new Error('gone'))
    const reply = streamReply({ ...head, body: streamOf([body]), ended })
    const usage = { ...estimated, outputTokens: 50 }
    expect(await chargeOf(reply)).toEqual({ how: 'cut', usage, nanoUsd: 8 + 500, estimated: true })
  })
})
