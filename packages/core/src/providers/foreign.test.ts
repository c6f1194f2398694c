import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import type { RouterOptions } from '../config/options.ts'
import { createRouter } from '../router.ts'
import type { Attempt, ByteStream, Ended, Reply, Usage } from '../types.ts'
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

const providing = (send: (attempt: Attempt) => Promise<Reply>): Provider => ({
  name: 'theirs',
  dialect: 'openai-chat',
  connect: () => ({ domain: 'd', send }),
})

/** What a call is charged that a provider of the user's own answers: 1 nano-USD for a token of input, 10 for one of output. */
async function chargeOf(reply: Reply) {
  const provider = providing(async () => reply)
  const router = createRouter({
    models: { a: { provider, price: { input: 0.001, output: 0.01 } } },
    budgets: [{ per: 'all', window: 'day', limitUsd: 1 }],
    ledger: 'memory',
    clock: createFakeClock(),
  })
  onTestFinished(() => router.close())
  const messages = [{ role: 'user', content: 'Say something.' }]
  const answer = await router.handle({ body: { model: 'a', messages, max_tokens: 50 } })
  await readBody(answer).catch(() => undefined)
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

  it('that says nothing of its end is estimated, and not taken for free', async () => {
    for (const reply of [plainReply({ ...head, body }), streamReply({ ...head, body: streamOf([body]) })])
      expect(await chargeOf(reply)).toEqual({
        how: 'complete',
        usage: { ...estimated, outputTokens: 3 },
        nanoUsd: 8 + 30,
        estimated: true,
      })
  })

  const delta = (content: string) =>
    Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`)
  const told = { choices: [], usage: { prompt_tokens: 7, completion_tokens: 4, total_tokens: 11 } }
  const finish = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
  const events = [finish, told].map((event) => Buffer.from(`data: ${JSON.stringify(event)}\n\n`))
  it.each([
    [[delta('a word '), delta('and more')], { how: 'complete', nanoUsd: 8 + 40, outputTokens: 4, estimated: true }],
    [
      [delta('a word '), delta('and more'), ...events],
      { how: 'complete', nanoUsd: 7 + 40, outputTokens: 4, estimated: false },
    ],
    [[delta('a word '), new Error('gone')], { how: 'cut', nanoUsd: 8 + 20, outputTokens: 2, estimated: true }],
  ])('whose stream says nothing of its end is charged for what came of it: %#', async (pieces, expected) => {
    async function* stream() {
      for (const piece of pieces) {
        if (piece instanceof Error) throw piece
        yield piece
      }
    }
    const { usage, ...charge } = await chargeOf(streamReply({ ...head, body: streamOf(stream()) }))
    expect({ ...charge, outputTokens: usage.outputTokens }).toEqual(expected)
  })

  it('whose stream breaks its promise to end is charged for all it was allowed to write', async () => {
    const ended = Promise.reject(new Error('gone'))
    const reply = streamReply({ ...head, body: streamOf([body]), ended })
    const usage = { ...estimated, outputTokens: 50 }
    expect(await chargeOf(reply)).toEqual({ how: 'cut', usage, nanoUsd: 8 + 500, estimated: true })
  })
})

describe('a provider of the user that is none', () => {
  const own = providing(async () => plain(undefined))
  const made = (model: unknown) => ({ ...own, connect: () => model }) as unknown as Provider
  const send = async () => plain(undefined)
  const expectedDialect =
    'expected one of openai-chat, anthropic-messages, openai-responses, openai-embeddings, or several'
  it.each([
    [{ ...own, name: '' }, ['name: expected a text that is not empty, got ""']],
    [{ ...own, dialect: 'openai' }, [`dialect: ${expectedDialect}, got "openai"`]],
    [{ ...own, dialect: [] }, [`dialect: ${expectedDialect}, got an array of 0`]],
    [{ ...own, dialect: undefined }, [`dialect: ${expectedDialect}, got nothing`]],
    [made(undefined), ['connect: expected a model with its domain and "send", got nothing']],
    [
      made(Promise.resolve({ domain: 'd', send })),
      ['connect: expected a model with its domain and "send", got a promise'],
    ],
    [
      made({ dialects: ['chat'], verify: true }),
      [
        'connect.domain: expected a text that is not empty, got nothing',
        `connect.dialects: ${expectedDialect}, got "chat"`,
        'connect.send: expected a function, got nothing',
        'connect.verify: expected a function, got true',
      ],
    ],
    [
      {
        ...own,
        connect() {
          throw new Error('no luck')
        },
      },
      ['connect: it failed: no luck'],
    ],
  ])('is refused at the start, with every fault: %o', (provider, faults) => {
    const howMany = faults.length === 1 ? 'a fault' : `${faults.length} faults`
    const message = [
      `The configuration has ${howMany}:`,
      ...faults.map((fault) => `  models.a.provider.${fault}`),
    ].join('\n')
    const start = () => createRouter({ models: { a: { provider: provider as Provider } } })
    expect(start).toThrow(expect.objectContaining({ code: 'invalid_config', message }))
  })
})

describe('a provider of the user that is late', () => {
  /** A router over it, with a place for one call at a time, and its calls. */
  function mounted(send: (attempt: Attempt) => Promise<Reply>, more: Partial<RouterOptions> = {}) {
    const clock = createFakeClock()
    const attempts: Attempt[] = []
    const provider = providing((attempt) => (attempts.push(attempt), send(attempt)))
    const router = createRouter({
      models: { a: { provider, price: { input: 0.001, output: 0.01 }, limits: { concurrency: 1 } } },
      timeouts: { answerMs: 5_000, firstTokenMs: 5_000, stallMs: 2_000, callMs: 20_000 },
      budgets: [{ per: 'all', window: 'day', limitUsd: 1 }],
      breaker: false,
      retry: false,
      clock,
      ...more,
    })
    onTestFinished(async () => {
      const closed = router.close({ timeoutMs: 1 })
      await clock.advance(1)
      await closed
    })
    const ask = (extra: object = {}, signal?: AbortSignal) =>
      router.handle({
        ...(signal && { signal }),
        body: { model: 'a', messages: [{ role: 'user', content: 'Say something.' }], max_tokens: 50, ...extra },
      })
    const spent = async () => {
      const [budget] = await router.budgets()
      return { settled: Math.round(Number(budget!.settledUsd) * 1e9), held: Math.round(Number(budget!.heldUsd) * 1e9) }
    }
    return { clock, attempts, router, ask, spent }
  }
  const never = <Value>() => new Promise<Value>(() => undefined)
  const aborted = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  async function* oneThenSilence() {
    yield Buffer.from('data: one\n\n')
    await never()
  }
  const codeOf = (reply: Promise<unknown>) => reply.then(String, (error: { code: string }) => error.code)

  it('is given up at the time that the model has, charged for the request, and told', async () => {
    const { clock, attempts, ask, spent } = mounted(never)
    const late = codeOf(ask())
    await clock.advance(4_999)
    expect(attempts[0]!.signal.aborted).toBe(false)
    await clock.advance(1)
    expect(await late).toBe('upstream_timeout')
    expect(attempts[0]!.signal.reason).toMatchObject({ code: 'upstream_timeout' })
    expect(await spent()).toEqual({ settled: 8, held: 0 })
    const next = codeOf(ask())
    await clock.settle()
    expect(attempts).toHaveLength(2)
    await clock.advance(5_000)
    expect(await next).toBe('upstream_timeout')
  })

  it('lets the next model of the route take over', async () => {
    const own: Provider = {
      name: 'quick',
      dialect: 'openai-chat',
      connect: () => ({ domain: 'other', send: async () => ({ ...plain(undefined), model: 'b' }) }),
    }
    const slow: Provider = { ...own, name: 'slow', connect: () => ({ domain: 'd', send: never }) }
    const models = { a: { provider: slow }, b: { provider: own } }
    const { clock, ask } = mounted(never, { models, routes: { auto: { models: ['a', 'b'] } }, budgets: [] })
    const reply = ask({ model: 'auto' })
    await clock.advance(5_000)
    expect((await reply).model).toBe('b')
  })

  it('has what it answers afterwards cancelled', async () => {
    const cancel = vi.fn<Reply['cancel']>()
    let answer!: (reply: Reply) => void
    const { clock, ask } = mounted(() => new Promise((resolve) => (answer = resolve)))
    const late = codeOf(ask())
    await clock.advance(5_000)
    expect(await late).toBe('upstream_timeout')
    answer({ ...plain(undefined), cancel })
    await clock.settle()
    expect(cancel).toHaveBeenCalledOnce()
  })

  it('has its stream cut where it falls silent, and its place is free again, though it never says how it ended', async () => {
    const cancel = vi.fn<Reply['cancel']>()
    const streaming = () => streamReply({ ...head, body: streamOf(oneThenSilence()), ended: never(), cancel })
    const { clock, attempts, ask, spent } = mounted(async () => streaming())
    const reply = await ask({ stream: true })
    const chunks: string[] = []
    const read = (async () => {
      for await (const chunk of reply.body as ByteStream) chunks.push(Buffer.from(chunk).toString())
    })()
    const broken = codeOf(read)
    await clock.advance(1_999)
    expect(cancel).not.toHaveBeenCalled()
    await clock.advance(1)
    expect(await broken).toBe('stream_timeout')
    expect(chunks).toEqual(['data: one\n\n'])
    expect(cancel).toHaveBeenCalledOnce()
    expect(attempts[0]!.signal.aborted).toBe(true)
    await clock.advance(1_000)
    expect(await reply.ended).toMatchObject({ how: 'stalled', usage: { inputTokens: 8, outputTokens: 50 } })
    expect(await spent()).toEqual({ settled: 508, held: 0 })
    const again = await ask({ stream: true })
    again.cancel()
  })

  it('is believed where it says how a stream ended that was cut', async () => {
    let settle!: (ended: Ended) => void
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    const silent = streamOf(
      (async function* () {
        yield await never<Uint8Array>()
      })(),
    )
    const { clock, attempts, ask, spent } = mounted(async (attempt) => {
      attempt.signal.addEventListener('abort', () => settle({ how: 'cut', usage: whole, estimated: false }))
      return streamReply({ ...head, body: silent, ended })
    })
    const reply = await ask({ stream: true })
    const broken = codeOf(readBody(reply))
    await clock.advance(2_000)
    expect(await broken).toBe('stream_timeout')
    expect(attempts[0]!.signal.aborted).toBe(true)
    expect(await reply.ended).toEqual({ how: 'cut', usage: whole, estimated: false })
    expect(await spent()).toEqual({ settled: 35, held: 0 })
  })

  it("has its stream cut at the call's deadline where a reader takes his time", async () => {
    const endless = async function* () {
      for (;;) yield Buffer.from('data: one\n\n')
    }
    const { clock, ask } = mounted(async () => streamReply({ ...head, body: streamOf(endless()), ended: never() }))
    const reply = await ask({ stream: true })
    const chunks = (reply.body as ByteStream)[Symbol.asyncIterator]()
    await chunks.next()
    await clock.advance(19_999)
    await chunks.next()
    await clock.advance(1)
    await expect(chunks.next()).rejects.toMatchObject({ code: 'deadline_exceeded' })
    await clock.advance(1_000)
    expect((await reply.ended).how).toBe('cut')
  })

  it('keeps neither a place nor money where its plain answer never ends', async () => {
    const { clock, ask, spent } = mounted(async () => ({ ...plain(undefined), ended: never() }))
    const reply = await ask()
    expect(reply.body).toEqual(body)
    await clock.advance(21_000)
    expect(await reply.ended).toMatchObject({ how: 'cut', estimated: true })
    expect(await spent()).toEqual({ settled: 8 + 30, held: 0 })
  })

  it('has its stream cut where it falls silent after it has said how it ended', async () => {
    const silent = streamOf(
      (async function* () {
        yield await never<Uint8Array>()
      })(),
    )
    const ended: Ended = { how: 'complete', usage: whole, estimated: false }
    const { clock, ask } = mounted(async () => streamReply({ ...head, body: silent, ended: Promise.resolve(ended) }))
    const reply = await ask({ stream: true })
    expect((await reply.ended).how).toBe('complete')
    const broken = codeOf(readBody(reply))
    await clock.advance(2_000)
    expect(await broken).toBe('stream_timeout')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('leaves no timer behind that is in time', async () => {
    const { clock, ask } = mounted(async ({ call }) =>
      call.request.parameters.stream ? streamReply({ ...head, body: streamOf([body]) }) : plain(undefined),
    )
    await ask()
    expect((await readBody(await ask({ stream: true }))).toString()).toBe(body.toString())
    await clock.settle()
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    [undefined, 'got nothing'],
    ['hello', 'got a string'],
    [
      { ...plain(undefined), body: 'hello' },
      'its body is neither bytes nor a stream as streamOf makes one, but a string',
    ],
    [
      { ...plain(undefined), dialect: 'anthropic-messages' },
      'it is in anthropic-messages, and its caller reads openai-chat',
    ],
  ])('has failed where it gives no reply, but %o', async (given, fault) => {
    const { ask, clock, spent } = mounted(async () => given as unknown as Reply)
    await expect(ask()).rejects.toMatchObject({
      code: 'bad_upstream_response',
      message: `The provider "theirs" gave no reply: ${fault}`,
      movesOn: true,
    })
    expect(await spent()).toEqual({ settled: 8, held: 0 })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('is estimated where what it says of its end cannot be read', async () => {
    const { ask } = mounted(async () => plain({ how: 'complete', usage: { faults: 5 } }))
    expect(await (await ask()).ended).toMatchObject({ how: 'cut', usage: { inputTokens: 8 }, estimated: true })
  })

  it('ends no process by a promise that breaks when it is cancelled', async () => {
    const unheard = vi.fn<(error: unknown) => void>()
    process.on('unhandledRejection', unheard)
    onTestFinished(() => void process.off('unhandledRejection', unheard))
    let answer!: (reply: Reply) => void
    let breakEnded!: (error: Error) => void
    const { clock, ask } = mounted(() => new Promise((resolve) => (answer = resolve)))
    const late = codeOf(ask())
    await clock.advance(5_000)
    expect(await late).toBe('upstream_timeout')
    const ended = new Promise<Ended>((_resolve, reject) => (breakEnded = reject))
    const cancel = () => {
      breakEnded(new Error('cancelled'))
      return Promise.reject(new Error('cannot be cancelled')) as unknown as void
    }
    answer({ ...plain(undefined), ended, cancel })
    await clock.settle()
    await new Promise((resolve) => setImmediate(resolve))
    expect(unheard).not.toHaveBeenCalled()
  })

  it.each([
    ['says nothing of it', never],
    ['breaks off', ({ signal }: Attempt) => aborted(signal)],
  ])('is charged for the request, and no longer waited for, where its caller left and it %s', async (_what, send) => {
    const leaving = new AbortController()
    const { clock, ask, spent } = mounted(send)
    const left = codeOf(ask({}, leaving.signal))
    await clock.settle()
    leaving.abort()
    expect(await left).toBe('cancelled')
    expect(await spent()).toEqual({ settled: 8, held: 0 })
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    ['never says how it ended', never],
    ['breaks its promise to end', ({ signal }: Attempt) => aborted(signal)],
  ])('is not to blame for a stream whose caller left, though it %s', async (_what, ended) => {
    const { clock, ask, spent, router } = mounted(
      async (attempt) => streamReply({ ...head, body: streamOf(oneThenSilence()), ended: ended(attempt) }),
      { breaker: { consecutiveFailures: 1 }, ledger: 'memory' },
    )
    const reply = await ask({ stream: true })
    const read = readBody(reply)
    await clock.settle()
    reply.cancel()
    expect((await read).toString()).toBe('data: one\n\n')
    await clock.advance(1_000)
    expect((await reply.ended).how).toBe('cancelled')
    expect(await spent()).toEqual({ settled: 508, held: 0 })
    expect([...router.ledger!.attempts()].map(({ outcome }) => outcome)).toEqual(['cancelled'])
    const again = await ask({ stream: true })
    again.cancel()
  })

  it('has its stream ended with the signal of its call, and the error of a router that closes', async () => {
    const leaving = new AbortController()
    const stream = async () => streamReply({ ...head, body: streamOf(oneThenSilence()), ended: never() })
    const models = { a: { provider: providing(stream) } }
    const { clock, ask, router } = mounted(stream, { models, budgets: [] })
    const [one, other] = await Promise.all([ask({ stream: true }, leaving.signal), ask({ stream: true })])
    const [left, closed] = [codeOf(readBody(one)), codeOf(readBody(other))]
    await clock.settle()
    leaving.abort()
    expect(await left).toBe('data: one\n\n')
    const closing = router.close({ timeoutMs: 5 })
    await clock.advance(5)
    await closing
    expect(await closed).toBe('shutting_down')
    expect((await other.ended).how).toBe('cut')
  })

  it('has its silence told in the words of the caller where its stream is translated', async () => {
    const { clock, router } = mounted(async () =>
      streamReply({ ...head, body: streamOf(oneThenSilence()), ended: never() }),
    )
    const messages = [{ role: 'user', content: 'Say something.' }]
    const reply = await router.handle({
      dialect: 'anthropic-messages',
      body: { model: 'a', messages, max_tokens: 50, stream: true },
    })
    const read = readBody(reply)
    await clock.advance(3_000)
    expect((await read).toString()).toMatch(/event: error\ndata: .*"timeout_error".*"stream_timeout"/)
  })

  it('hears of a reply that is given up by its signal', async () => {
    const silent = streamOf(
      (async function* () {
        yield await never<Uint8Array>()
      })(),
    )
    const { attempts, ask } = mounted(async () => streamReply({ ...head, body: silent, ended: never() }))
    const reply = await ask({ stream: true })
    reply.cancel('enough')
    expect(attempts[0]!.signal.reason).toBe('enough')
  })
})
