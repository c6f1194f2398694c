import { createFakeClock } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import type { Provider } from '../providers/provider.ts'
import { plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'

let asked = 0
const head = { status: 200, headers: {}, model: 'a' } as const
const answer = {
  'openai-chat': { choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }] },
  'openai-responses': {
    id: 'resp_1',
    status: 'completed',
    output: [{ type: 'message', id: 'm', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] }],
  },
}
const provider: Provider = {
  name: 'own',
  dialect: 'openai-chat',
  connect: () => ({
    domain: 'a',
    dialects: ['openai-chat', 'openai-responses'],
    async send({ call: { dialect, request } }) {
      asked++
      const body = Buffer.from(JSON.stringify(answer[dialect as 'openai-chat']))
      return request.parameters.stream
        ? streamReply({ ...head, dialect, body: streamOf([Buffer.from('data: [DONE]\n\n')]) })
        : plainReply({ ...head, dialect, body })
    },
  }),
}

it.each([
  ['openai-chat', {}, 1],
  ['openai-chat', { logprobs: false }, 1],
  ['openai-chat', { logprobs: true }, 2],
  ['openai-chat', { n: 2 }, 2],
  ['openai-chat', { audio: { voice: 'v' } }, 2],
  ['openai-responses', {}, 1],
  ['openai-responses', { include: ['reasoning.encrypted_content'] }, 1],
  ['openai-responses', { include: ['message.output_text.logprobs'] }, 2],
  ['openai-responses', { top_logprobs: 2 }, 2],
] as const)(
  'a plain answer in %s is given as a stream where nothing is lost on the way: %j',
  async (dialect, extra, times) => {
    asked = 0
    const router = createRouter({ models: { a: { provider, price: false } }, cache: {}, clock: createFakeClock() })
    const body = { model: 'a', temperature: 0, messages: [], input: 'x', ...extra }
    for (const stream of [false, true]) await readBody(await router.handle({ dialect, body: { ...body, stream } }))
    expect(asked).toBe(times)
    await router.close()
  },
)
