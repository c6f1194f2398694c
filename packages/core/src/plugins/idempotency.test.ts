import { createFakeClock } from '@signalbox/testkit'
import { expect, it, vi } from 'vitest'
import { largestAnswerBytes } from '../cache/answer.ts'
import { SignalboxError } from '../errors.ts'
import { definePlugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Reply } from '../types.ts'

const head = { headers: {}, dialect: 'openai-chat', model: 'a' } as const
const provider: Provider = {
  name: 'own',
  dialect: 'openai-chat',
  connect: () => ({ domain: 'a', send: async () => plainReply({ status: 200, ...head, body: Buffer.from('{}') }) }),
}

it('an answer that is none is not given again as one: the call may be sent again', async () => {
  const statuses = [503, 200, 200]
  const moody = definePlugin({
    name: 'moody',
    call: {
      stage: 'admit',
      run: async () => plainReply({ status: statuses.shift()!, ...head, body: Buffer.from('{"from":"moody"}') }),
    },
  })
  const router = createRouter({
    models: { a: { provider, price: false } },
    clock: createFakeClock(),
    plugins: [moody],
  })
  const ask = async () => {
    const { status, headers } = await router.handle({ body: { model: 'a', messages: [] }, idempotencyKey: 'k' })
    return [status, headers['idempotent-replayed']]
  }
  expect([await ask(), await ask(), await ask()]).toEqual([
    [503, undefined],
    [200, undefined],
    [200, 'true'],
  ])
  await router.close()
})

it('another request with a key is taken where all that came with it before have failed', async () => {
  const held: (() => void)[] = []
  const failing = definePlugin({
    name: 'failing',
    call: {
      stage: 'admit',
      async run({ request }) {
        await new Promise<void>((resolve) => held.push(resolve))
        if (request.body['temperature'] === 9) throw new SignalboxError('upstream_rejected', 'Too hot')
        return plainReply({ status: 200, ...head, body: Buffer.from('{}') })
      },
    },
  })
  const router = createRouter({ models: { a: { provider, price: false } }, plugins: [failing] })
  const ask = (temperature: number) =>
    router.handle({ body: { model: 'a', messages: [], temperature }, idempotencyKey: 'k' })
  const codeOf = (reply: Promise<Reply>) =>
    reply.then(
      ({ status }) => status,
      (error: SignalboxError) => error.code,
    )
  const hot = [codeOf(ask(9)), codeOf(ask(9))]
  expect(await codeOf(ask(1))).toBe('idempotency_mismatch')
  while (held.length > 0) held.shift()!()
  expect(await Promise.all(hot)).toEqual(['upstream_rejected', 'upstream_rejected'])
  const mild = codeOf(ask(1))
  await vi.waitFor(() => expect(held).toHaveLength(1))
  held.shift()!()
  expect(await mild).toBe(200)
  expect(await codeOf(ask(9))).toBe('idempotency_mismatch')
  await router.close()
})

it('another request with a key is refused while the first is under way, and one that only wants it as a stream', async () => {
  let answer: (() => void) | undefined
  const held = new Promise<void>((resolve) => (answer = resolve))
  const waiting = definePlugin({
    name: 'waiting',
    call: {
      stage: 'admit',
      async run() {
        await held
        return plainReply({ status: 200, ...head, body: Buffer.from('{}') })
      },
    },
  })
  const router = createRouter({ models: { a: { provider, price: false } }, plugins: [waiting] })
  const ask = (rest: object = {}) => router.handle({ body: { model: 'a', messages: [], ...rest }, idempotencyKey: 'k' })
  const first = ask()
  for (const rest of [{ temperature: 1 }, { stream: true }, { stream_options: { include_usage: true } }])
    await expect(ask(rest)).rejects.toMatchObject({ code: 'idempotency_mismatch' })
  answer!()
  expect((await first).status).toBe(200)
  await router.close()
})

it('another request with a key gets no answer of the first, also where that takes so long that its key is forgotten', async () => {
  const answers: (() => void)[] = []
  const slow = definePlugin({
    name: 'slow',
    call: {
      stage: 'admit',
      async run({ request }) {
        await new Promise<void>((resolve) => answers.push(resolve))
        return plainReply({ status: 200, ...head, body: Buffer.from(JSON.stringify(request.body['temperature'])) })
      },
    },
  })
  const clock = createFakeClock()
  await clock.advance(1)
  const router = createRouter({ models: { a: { provider, price: false } }, clock, timeouts: false, plugins: [slow] })
  const ask = async (temperature: number) => {
    const reply = await router.handle({ body: { model: 'a', messages: [], temperature }, idempotencyKey: 'k' })
    return (await readBody(reply)).toString()
  }
  const first = ask(1)
  await clock.advance(3_600_001)
  const second = ask(2)
  await clock.settle()
  for (const answer of answers) answer()
  expect(await Promise.all([first, second])).toEqual(['1', '2'])
  await router.close()
})

it('another request with a key is refused after an answer that is too large to be given again', async () => {
  const large: Provider = {
    ...provider,
    connect: () => ({
      domain: 'a',
      send: async () => streamReply({ status: 200, ...head, body: streamOf([Buffer.alloc(largestAnswerBytes + 1)]) }),
    }),
  }
  const router = createRouter({ models: { a: { provider: large, price: false } } })
  const ask = (temperature: number) =>
    router.handle({ body: { model: 'a', messages: [], stream: true, temperature }, idempotencyKey: 'k' })
  const reply = await ask(1)
  await readBody(reply)
  expect((await reply.ended).how).toBe('complete')
  const other = ask(2).then(
    ({ status }) => status,
    (error: SignalboxError) => error.code,
  )
  expect(await other).toBe('idempotency_mismatch')
  expect((await ask(1)).headers).not.toHaveProperty('idempotent-replayed')
  await router.close({ timeoutMs: 0 })
})
