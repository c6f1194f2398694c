import { createFakeClock } from '@signalbox/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { CallInit } from './call.ts'
import { type Plugin, definePlugin } from './plugin.ts'
import type { Provider } from './providers/provider.ts'
import { plainReply, readBody } from './reply.ts'
import { createRouter } from './router.ts'
import type { Attempt, Call, Handler } from './types.ts'

afterEach(() => vi.restoreAllMocks())

/** A model that answers with the body that it was sent. */
function echoing(plugins: readonly Plugin[] = []) {
  const send = vi.fn<Handler<Attempt>>(async ({ call: { request, dialect } }) =>
    plainReply({ status: 200, headers: {}, dialect, model: 'a', body: Buffer.from(JSON.stringify(request.body)) }),
  )
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: () => ({ domain: 'own', dialects: ['openai-chat', 'anthropic-messages'], send }),
  }
  const models = { a: { provider, price: false as const } }
  return { send, router: createRouter({ models, clock: createFakeClock(), cache: {}, plugins }) }
}

const sent = (content: string, rest: object = {}) =>
  Buffer.from(JSON.stringify({ model: 'a', temperature: 0, messages: [{ role: 'user', content }], ...rest }))

async function answerTo(router: ReturnType<typeof echoing>['router'], body: Uint8Array, init: Partial<CallInit> = {}) {
  const reply = await router.handle({ body, ...init })
  return { text: Buffer.from(await readBody(reply)).toString(), outcome: reply.headers['x-signalbox-cache'] }
}

/** How often a text with this in it is parsed. */
function parsings(mark: string): () => number {
  const parse = vi.spyOn(JSON, 'parse')
  return () => parse.mock.calls.filter(([text]) => text.includes(mark)).length
}

describe('requests that were sent before', () => {
  it('are not parsed again to be answered', async () => {
    const { router, send } = echoing()
    const parsed = parsings('What is a signal?')
    const first = await answerTo(router, sent('What is a signal?'))
    expect(await answerTo(router, sent('What is a signal?'))).toEqual({ ...first, outcome: 'hit' })
    expect(parsed()).toBe(1)
    expect(send).toHaveBeenCalledTimes(1)
  })

  it('have the answers that were theirs', async () => {
    const { router } = echoing()
    const words = ['one', 'two', 'three']
    for (const word of words) await answerTo(router, sent(word))
    for (const word of words)
      expect(await answerTo(router, sent(word))).toEqual({ text: sent(word).toString(), outcome: 'hit' })
  })

  it('are parsed when somebody looks into them', async () => {
    const read: unknown[] = []
    const run = (call: Call, next: Handler<Call>) => {
      read.push(call.request.messages, call.request.parameters.temperature)
      return next(call)
    }
    const { router } = echoing([definePlugin({ name: 'reader', call: { stage: 'classify', run } })])
    await answerTo(router, sent('Who?'))
    await answerTo(router, sent('Who?'))
    const seen = [[{ role: 'user', text: 'Who?' }], 0]
    expect(read).toEqual([...seen, ...seen])
  })

  it('are sent as they came where a new answer is wanted', async () => {
    const { router, send } = echoing()
    await answerTo(router, sent('Again?'))
    const { text } = await answerTo(router, sent('Again?'), { cacheControl: 'no-cache' })
    expect(JSON.parse(text)).toMatchObject({ messages: [{ content: 'Again?' }] })
    const requests = send.mock.calls.map(([{ call }]) => Buffer.from(call.request.bytes).toString())
    expect(requests).toEqual([sent('Again?').toString(), sent('Again?').toString()])
  })

  it('are not those whose checksum they share', async () => {
    // The CRC-32 of both words is 0x4ddb0c25.
    const { router } = echoing()
    const first = await answerTo(router, sent('plumless'))
    const second = await answerTo(router, sent('buckeroo'))
    expect([first.text, second.text]).toEqual([sent('plumless').toString(), sent('buckeroo').toString()])
    for (const [word, { text }] of [['plumless', first] as const, ['buckeroo', second] as const])
      expect(await answerTo(router, sent(word))).toEqual({ text, outcome: 'hit' })
  })

  it('stay what they were when the host uses its memory for the next one', async () => {
    const { router } = echoing()
    const memory = sent('plumless')
    await answerTo(router, memory)
    memory.set(sent('buckeroo'))
    expect(await answerTo(router, memory)).toEqual({ text: sent('buckeroo').toString(), outcome: 'miss' })
    expect(await answerTo(router, sent('plumless'))).toEqual({ text: sent('plumless').toString(), outcome: 'hit' })
  })

  it('are others in another dialect', async () => {
    const stops: unknown[] = []
    const run = (call: Call, next: Handler<Call>) => {
      stops.push(call.request.parameters.stop)
      return next(call)
    }
    const { router } = echoing([definePlugin({ name: 'reader', call: { stage: 'admit', run } })])
    const body = sent('Stop?', { max_tokens: 5, stop: ['chat'], stop_sequences: ['messages'] })
    await answerTo(router, body)
    expect(await answerTo(router, body, { dialect: 'anthropic-messages' })).toMatchObject({ outcome: 'miss' })
    expect(stops).toEqual([['chat'], ['messages']])
  })

  it('are parsed again beyond a mebibyte, and answered all the same', async () => {
    const { router } = echoing()
    const content = `Long? ${'x'.repeat(1024 * 1024)}`
    const parsed = parsings('Long?')
    const first = await answerTo(router, sent(content))
    expect(await answerTo(router, sent(content))).toEqual({ ...first, outcome: 'hit' })
    expect(parsed()).toBe(2)
  })

  it('are parsed again when many others came between', async () => {
    const { router } = echoing()
    const parsed = parsings('First?')
    await answerTo(router, sent('First?'))
    for (let i = 0; i < 20; i++) await answerTo(router, sent(`${i} ${'x'.repeat(512 * 1024)}`))
    expect(await answerTo(router, sent('First?'))).toMatchObject({ outcome: 'hit' })
    expect(parsed()).toBe(2)
  })
})
