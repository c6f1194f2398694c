import { createFakeClock } from '@signalbox/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { CacheOptions } from '../cache/settings.ts'
import type { CallInit } from '../call.ts'
import type { RouterOptions } from '../config/options.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { plainReply, readBody } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Attempt, Call, Handler, Middleware, Request } from '../types.ts'

afterEach(() => vi.restoreAllMocks())

/** Models that answer with their name and the body that they were sent. */
function echoing(plugins: readonly Plugin[] = [], options: Partial<RouterOptions> = {}) {
  const send = vi.fn<Handler<Attempt>>(async ({ call: { request, dialect }, candidate: { name: model } }) =>
    plainReply({
      status: 200,
      headers: {},
      dialect,
      model,
      body: Buffer.from(`${model} ${JSON.stringify(request.body)}`),
    }),
  )
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: () => ({ domain: 'own', dialects: ['openai-chat', 'anthropic-messages', 'openai-responses'], send }),
  }
  const models = { a: { provider, price: false as const }, b: { provider, price: false as const } }
  return { send, router: createRouter({ models, clock: createFakeClock(), cache: {}, plugins, ...options }) }
}

/** A plugin that stands before the cache. */
const before = (run: Middleware<Call>) => definePlugin({ name: 'before', call: { stage: 'classify', run } })
/** One after which the cache is met in a later turn. */
const slowly = before(async (call, next) => {
  await Promise.resolve()
  return next(call)
})

const sent = (content: string, rest: object = {}) =>
  Buffer.from(JSON.stringify({ model: 'a', temperature: 0, messages: [{ role: 'user', content }], ...rest }))

const said = (content: string, rest: object = {}) => `a ${sent(content, rest).toString()}`

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
    for (const word of words) expect(await answerTo(router, sent(word))).toEqual({ text: said(word), outcome: 'hit' })
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
    expect(text).toBe(`a ${sent('Again?').toString()}`)
    const requests = send.mock.calls.map(([{ call }]) => Buffer.from(call.request.bytes).toString())
    expect(requests).toEqual([sent('Again?').toString(), sent('Again?').toString()])
  })

  it('are not those whose checksum they share', async () => {
    // The CRC-32 of both words is 0x4ddb0c25.
    const { router } = echoing()
    const first = await answerTo(router, sent('plumless'))
    const second = await answerTo(router, sent('buckeroo'))
    expect([first.text, second.text]).toEqual([said('plumless'), said('buckeroo')])
    for (const [word, { text }] of [['plumless', first] as const, ['buckeroo', second] as const])
      expect(await answerTo(router, sent(word))).toEqual({ text, outcome: 'hit' })
  })

  it('stay what they were when the host uses its memory for the next one', async () => {
    const { router } = echoing()
    const memory = sent('plumless')
    await answerTo(router, memory)
    memory.set(sent('buckeroo'))
    expect(await answerTo(router, memory)).toEqual({ text: said('buckeroo'), outcome: 'miss' })
    expect(await answerTo(router, sent('plumless'))).toEqual({ text: said('plumless'), outcome: 'hit' })
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

  it('of a mebibyte have answers of their own', async () => {
    const { router } = echoing()
    const long = 'x'.repeat(1024 * 1024)
    for (const outcome of ['miss', 'hit'])
      for (const word of ['one ', 'two '])
        expect(await answerTo(router, sent(word + long))).toEqual({ text: said(word + long), outcome })
  })

  it('are refused each time where their dialect refuses them, whatever plugins or the host made of others', async () => {
    const thread = before((call, next) => next({ ...call, request: call.request.with({ previous_response_id: 'r' }) }))
    const { router } = echoing([thread])
    const init = { dialect: 'openai-responses' } as const
    const body = { model: 'a', input: 'x', temperature: 0 }
    const refused = Buffer.from(JSON.stringify({ ...body, previous_response_id: 'r' }))
    await router.handle({ body: Buffer.from(JSON.stringify(body)), ...init })
    await router.handle({ body: { ...body }, ...init })
    for (let i = 0; i < 2; i++)
      await expect(router.handle({ body: refused, ...init })).rejects.toMatchObject({ code: 'state_unsupported' })
    const many = { ...body, metadata: Array.from({ length: 60_000 }, () => ({ a: 1 })) }
    await router.handle({ body: many, ...init })
    const bytes = Buffer.from(JSON.stringify(many))
    await expect(router.handle({ body: bytes, ...init })).rejects.toMatchObject({ code: 'invalid_body' })
  })

  it('are what they were when they were read, whatever became of the object or the memory since', async () => {
    const { router } = echoing([slowly])
    const body = { model: 'a', temperature: 0, messages: [] }
    const first = router.handle({ body })
    body.model = 'b'
    await first
    const asked = Buffer.from(JSON.stringify(body))
    expect(await answerTo(router, asked)).toMatchObject({ text: `b ${asked.toString()}` })

    await answerTo(router, sent('one'))
    const memory = sent('one')
    const again = answerTo(router, memory, { cacheControl: 'no-cache' })
    memory.set(sent('two'))
    expect(await again).toMatchObject({ text: said('one') })
    expect(await answerTo(router, sent('one'))).toEqual({ text: said('one'), outcome: 'hit' })
    expect(await answerTo(router, sent('two'))).toEqual({ text: said('two'), outcome: 'miss' })
  })

  it('stay what they are when a plugin changes what it was given of one', async () => {
    const read: unknown[] = []
    const { router } = echoing([
      before((call, next) => {
        const { stop, temperature } = call.request.parameters
        read.push([...stop!], temperature)
        Object.assign(call.request.parameters, { temperature: 1 })
        ;(stop as string[]).push('more')
        call.request.bytes.fill(0)
        return next(call)
      }),
    ])
    for (const user of ['u1', 'u2', 'u1'])
      await answerTo(router, sent('Stop?', { stop: ['a'] }), { identity: { user } })
    expect(read).toEqual([['a'], 0, ['a'], 0, ['a'], 0])
  })

  it('are told apart by what plugins and callers say besides: route, dialect and headers', async () => {
    let turn = 0
    const turns = before((call, next) => next({ ...call, route: turn++ % 2 === 0 ? 'a' : 'b' }))
    const { router } = echoing([turns])
    const texts: string[] = []
    for (let i = 0; i < 4; i++) texts.push((await answerTo(router, sent('Where?'))).text[0]!)
    expect(texts).toEqual(['a', 'b', 'a', 'b'])

    const { router: other } = echoing()
    const outcomes: unknown[] = []
    for (const beta of ['x', 'y', 'x', 'y'])
      outcomes.push((await answerTo(other, sent('Beta?'), { headers: { 'openai-beta': beta } })).outcome)
    expect(outcomes).toEqual(['miss', 'miss', 'hit', 'hit'])

    let isOther = false
    const { router: third } = echoing([
      before((call, next) => next(isOther ? { ...call, dialect: 'anthropic-messages' } : call)),
    ])
    const kinds: unknown[] = []
    for (const switched of [false, true, false]) {
      isOther = switched
      kinds.push((await answerTo(third, sent('Dialect?'))).outcome)
    }
    expect(kinds).toEqual(['miss', 'miss', 'hit'])
  })

  it('are not remembered where nobody may be given their answer', async () => {
    const body = Buffer.from('{}')
    const answering = before(async ({ dialect }) => plainReply({ status: 200, headers: {}, dialect, model: 'a', body }))
    const parsed = parsings('By chance?')
    const askTwice = async (cache: CacheOptions) => {
      const { router } = echoing([answering], { cache })
      for (let i = 0; i < 2; i++) await answerTo(router, sent('By chance?', { temperature: 1 }))
    }
    await askTwice({})
    expect(parsed()).toBe(2)
    await askTwice({ deterministicOnly: false })
    expect(parsed()).toBe(3)
  })

  it('that a plugin made by itself have answers of their own', async () => {
    const { router } = echoing([
      before((call, next) => {
        const { request } = call
        const { model, bytes, body, messages, text, tools, parameters, modality, media } = request
        const own = { model, bytes, body, messages, text, tools, parameters, modality, media, with: () => request }
        return next({ ...call, request: own as unknown as Request })
      }),
    ])
    for (const outcome of ['miss', 'hit'])
      for (const word of ['one', 'two'])
        expect(await answerTo(router, sent(word))).toEqual({ text: said(word), outcome })
  })

  it('take their texts into account, however many', async () => {
    const { router } = echoing()
    const parsed = parsings('Many?')
    const stop = Array.from({ length: 20_000 }, () => 'x')
    for (let i = 0; i < 2; i++) await answerTo(router, sent('Many?', { stop }))
    expect(parsed()).toBe(2)
  })
})
