/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { getEventListeners } from 'node:events'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import type { Dispatcher } from 'undici'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { CallInit } from '../call.ts'
import type { OpenAiCompatibleModelOptions } from '../config/options.ts'
import type { SignalboxError } from '../errors.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { readBody } from '../reply.ts'
import { type Router, createRouter } from '../router.ts'
import type { ByteStream, Call, Reply } from '../types.ts'

let clock: FakeClock

beforeEach(() => {
  clock = createFakeClock()
})

/** One request that reached the provider, and what it answers. */
class Upstream {
  aborted = false
  paused = false
  readonly options: Dispatcher.DispatchOptions
  private readonly handler: Dispatcher.DispatchHandler
  readonly controller: Dispatcher.DispatchController

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    this.options = options
    this.handler = handler
    this.controller = {
      abort: (reason: Error) => {
        if (this.aborted) return
        this.aborted = true
        handler.onResponseError?.(this.controller, reason)
      },
      pause: () => (this.paused = true),
      resume: () => (this.paused = false),
    } as unknown as Dispatcher.DispatchController
    handler.onRequestStart?.(this.controller, undefined)
  }

  get headers(): Record<string, string> {
    return this.options.headers as Record<string, string>
  }

  get body(): string {
    return Buffer.from(this.options.body as Uint8Array).toString()
  }

  head(status: number, headers: Record<string, string> = { 'content-type': 'application/json' }) {
    this.handler.onResponseStart?.(this.controller, status, headers, '')
    return this
  }

  data(sent: string | Buffer) {
    this.handler.onResponseData?.(this.controller, typeof sent === 'string' ? Buffer.from(sent) : sent)
    return this
  }

  end() {
    this.handler.onResponseEnd?.(this.controller, {})
    return this
  }

  breakOff() {
    this.handler.onResponseError?.(this.controller, new Error('reset'))
    return this
  }

  json(status: number, body: unknown, headers: Record<string, string> = {}) {
    return this.head(status, { 'content-type': 'application/json', ...headers })
      .data(JSON.stringify(body))
      .end()
  }

  stream() {
    return this.head(200, { 'content-type': 'text/event-stream' })
  }
}

function setUp(over: Partial<OpenAiCompatibleModelOptions> = {}, plugins: readonly Plugin[] = []) {
  const requests: Upstream[] = []
  const dispatcher = {
    dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) =>
      requests.push(new Upstream(options, handler)) > 0,
  } as unknown as Dispatcher
  const router = createRouter({
    models: { a: { provider: 'openai-compatible', baseUrl: 'http://upstream.test/v1', dispatcher, ...over } },
    clock,
    plugins,
    retry: false,
    breaker: false,
    health: false,
  })
  return { router, requests }
}

const ask = (rest: object = {}) => ({ body: { model: 'a', messages: [], ...rest } })
const completion = {
  id: 'c',
  choices: [{ index: 0, message: { content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2 },
}
const chunk = (content: string) =>
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`
const finish = 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
const done = 'data: [DONE]\n\n'
const failureOf = (answer: Promise<Reply>) =>
  answer.then(
    () => undefined,
    (error: unknown) => error as SignalboxError,
  )
const textOf = async (reply: Reply) => Buffer.from(await readBody(reply)).toString()

describe('a plain exchange', () => {
  it('sends the request where it belongs and hands the answer back as it came', async () => {
    const { router, requests } = setUp({
      apiKey: 'sk-0123456789abcdef',
      model: 'real-name',
      headers: { 'X-Team': 'red' },
    })
    const answer = router.handle({ ...ask(), headers: { traceparent: 't' } })
    await clock.settle()
    const [request] = requests
    expect(request!.options).toMatchObject({
      origin: 'http://upstream.test',
      path: '/v1/chat/completions',
      method: 'POST',
    })
    expect(request!.headers).toEqual({
      accept: 'application/json',
      'accept-encoding': 'identity',
      authorization: 'Bearer sk-0123456789abcdef',
      'content-type': 'application/json',
      traceparent: 't',
      'user-agent': 'signalbox',
      'x-team': 'red',
    })
    expect(JSON.parse(request!.body)).toEqual({ model: 'real-name', messages: [] })
    request!.json(200, completion, { 'set-cookie': 'x=1', 'openai-version': 'v' })
    const reply = await answer
    expect(reply.headers).toEqual({ 'content-type': 'application/json', 'openai-version': 'v' })
    expect(await textOf(reply)).toBe(JSON.stringify(completion))
    expect(await reply.ended).toMatchObject({
      how: 'complete',
      estimated: false,
      usage: { inputTokens: 3, outputTokens: 2 },
    })
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    ['breaks off', (upstream: Upstream) => void upstream.breakOff()],
    ['falls silent', () => clock.advance(120_000)],
  ])('is refused, and costs nothing, where the body of a refusal %s', async (_how, stop) => {
    const { router, requests } = setUp({ price: { input: 1, output: 1 } })
    const { reply, record } = router.begin(ask())
    const failure = failureOf(reply)
    await clock.settle()
    requests[0]!.head(429, { 'content-type': 'application/json', 'retry-after': '7' }).data('{"error":{"mess')
    await stop(requests[0]!)
    expect(await failure).toMatchObject({ code: 'upstream_rate_limited', status: 429, retryAfterMs: 7_000 })
    expect(record.attempts[0]!.costNanoUsd).toBeUndefined()
  })

  it('asks a key function each time, and a key that cannot be had fails the attempt', async () => {
    let keys = 0
    const { router, requests } = setUp({ apiKey: async () => `key-${++keys}-0123456789` })
    for (const expected of ['Bearer key-1-0123456789', 'Bearer key-2-0123456789']) {
      const answer = router.handle(ask())
      await clock.settle()
      expect(requests.at(-1)!.headers['authorization']).toBe(expected)
      requests.at(-1)!.json(200, completion)
      await answer
    }
    for (const apiKey of [
      () => Promise.reject(new Error('the vault is shut')),
      () => {
        throw new Error('the vault is shut')
      },
      async () => 'sk-from-a-file-of-the-vault\n',
      () => undefined as unknown as string,
    ]) {
      const failing = setUp({ apiKey })
      const error = await failureOf(failing.router.handle(ask()))
      expect(error).toMatchObject({ code: 'provider_auth_failed' })
      expect(error!.message).not.toContain('vault')
      expect(failing.requests).toEqual([])
    }
    expect(clock.pendingTimers()).toBe(0)
  })

  it('refuses a body that cannot be written as JSON, however the key comes', async () => {
    for (const apiKey of ['sk-0123456789abcdef', async () => 'sk-0123456789abcdef', undefined]) {
      const { router, requests } = setUp(apiKey === undefined ? {} : { apiKey })
      const answer = failureOf(router.handle(ask({ seed: 1n })))
      await clock.settle()
      expect(requests).toEqual([])
      expect(clock.pendingTimers()).toBe(0)
      expect(await answer).toMatchObject({ code: 'invalid_body' })
    }
  })

  it('is given up at its time limit, and the upstream with it', async () => {
    const { router, requests } = setUp({ timeouts: { answerMs: 1_000 } })
    const answer = failureOf(router.handle(ask()))
    await clock.settle()
    requests[0]!.head(200).data('{"id":')
    await clock.advance(999)
    expect(requests[0]!.aborted).toBe(false)
    await clock.advance(1)
    expect(await answer).toMatchObject({ code: 'upstream_timeout', model: 'a' })
    expect(requests[0]!.aborted).toBe(true)
    expect(clock.pendingTimers()).toBe(0)
  })

  it("is given up when the call's time is up, and that is final", async () => {
    const { router, requests } = setUp()
    const answer = failureOf(router.handle({ ...ask(), timeoutMs: 500 }))
    await clock.advance(500)
    expect(await answer).toMatchObject({ code: 'deadline_exceeded', retryable: false, movesOn: false })
    expect(requests[0]!.aborted).toBe(true)
  })

  it('leaves no listener on the signal that it was given, nor the router on that of the caller', async () => {
    const [given, caller] = [new AbortController().signal, new AbortController().signal]
    const { router, requests } = setUp({}, [
      { name: 'own-signal', attempt: (attempt, next) => next({ ...attempt, signal: given }) },
    ])
    const begin = () => router.handle({ ...ask(), signal: caller })
    const answers = [begin(), failureOf(begin())]
    await clock.settle()
    expect(getEventListeners(given, 'abort')).toHaveLength(2)
    requests[0]!.json(200, completion)
    requests[1]!.json(500, {})
    await Promise.all(answers)
    await clock.settle()
    expect(getEventListeners(given, 'abort')).toEqual([])
    expect(getEventListeners(caller, 'abort')).toEqual([])
  })

  it('is given up at once when the caller leaves, before or after it was sent', async () => {
    const { router, requests } = setUp()
    const caller = new AbortController()
    const answer = failureOf(router.handle({ ...ask(), signal: caller.signal }))
    await clock.settle()
    caller.abort()
    expect(requests[0]!.aborted).toBe(true)
    expect(await answer).toMatchObject({ code: 'cancelled' })
    expect(await failureOf(router.handle({ ...ask(), signal: caller.signal }))).toMatchObject({ code: 'cancelled' })
    expect(requests).toHaveLength(1)
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('a stream', () => {
  /** A stream whose first content is there. */
  async function begun() {
    const { router, requests } = setUp({ timeouts: { stallMs: 1_000 } })
    const answer = router.handle(ask({ stream: true }))
    await clock.settle()
    requests[0]!.stream().data(chunk('one'))
    return { reply: await answer, upstream: requests[0]! }
  }

  it('settles with its first content, and not before', async () => {
    const { router, requests } = setUp()
    const settled = vi.fn<(reply: Reply) => void>()
    void router.handle(ask({ stream: true })).then(settled)
    await clock.settle()
    requests[0]!
      .stream()
      .data(': ping\n\n')
      .data('data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n')
    await clock.settle()
    expect(settled).not.toHaveBeenCalled()
    requests[0]!.data(chunk('one'))
    await clock.settle()
    expect(settled).toHaveBeenCalledTimes(1)
    const reply = settled.mock.calls[0]![0]
    requests[0]!.data(finish).data(done).end()
    expect(await textOf(reply)).toBe(
      `: ping\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n${chunk('one')}${finish}${done}`,
    )
    expect(clock.pendingTimers()).toBe(0)
  })

  it('that falls silent ends in an error event, and the upstream is given up', async () => {
    const { reply, upstream } = await begun()
    const text = textOf(reply)
    await clock.advance(999)
    upstream.data(chunk('two'))
    await clock.advance(999)
    expect(upstream.aborted).toBe(false)
    await clock.advance(1)
    expect(upstream.aborted).toBe(true)
    expect(await text).toMatch(/"code":"stream_timeout"\}\}\n\n$/)
    expect(await text).not.toContain('[DONE]')
    expect(await reply.ended).toMatchObject({ how: 'stalled', estimated: true })
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    { broken: 'cannot be unpacked any further', rest: Buffer.from('no more of it') },
    { broken: 'grows without end', rest: deflateRawSync(Buffer.alloc(16 * 1024 * 1024, ' ')) },
  ])('that $broken is broken off at once, and its upstream is given up', async ({ rest }) => {
    const { router, requests } = setUp()
    const answer = router.handle(ask({ stream: true }))
    await clock.settle()
    const opening = gzipSync(chunk('one'), { finishFlush: constants.Z_SYNC_FLUSH })
    requests[0]!.head(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).data(opening)
    const reply = await answer
    const text = textOf(reply)
    requests[0]!.data(rest)
    expect(await text).toMatch(/"code":"stream_interrupted"\}\}\n\n$/)
    expect(await reply.ended).toMatchObject({ how: 'cut' })
    expect(requests[0]!.aborted).toBe(true)
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([
    { sent: 'all', events: [chunk('one'), finish, done], how: 'complete', last: /\[DONE\]\n\n$/ },
    { sent: 'a part', events: [chunk('one')], how: 'cut', last: /"code":"stream_interrupted"\}\}\n\n$/ },
  ])('that comes packed, and of which $sent had come when its connection broke, is given as it came', async (each) => {
    const { router, requests } = setUp()
    const answer = router.handle(ask({ stream: true }))
    await clock.settle()
    const opening = gzipSync(each.events.join(''), { finishFlush: constants.Z_SYNC_FLUSH })
    requests[0]!.head(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).data(opening).breakOff()
    const reply = await answer
    const text = await textOf(reply)
    expect(text).toContain(chunk('one'))
    expect(text).toMatch(each.last)
    expect(await reply.ended).toMatchObject({ how: each.how })
    await clock.advance(1_000)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('leaves its connection a moment after its last word, and gives it up then', async () => {
    const { reply, upstream } = await begun()
    const [ended, broken] = [await begun(), await begun()]
    for (const one of [upstream, ended.upstream, broken.upstream]) one.data(finish).data(done)
    expect((await reply.ended).how).toBe('complete')
    ended.upstream.end()
    broken.upstream.breakOff()
    expect(clock.pendingTimers()).toBe(1)
    await clock.advance(999)
    expect(upstream.aborted).toBe(false)
    await clock.advance(1)
    expect(upstream.aborted).toBe(true)
    expect(ended.upstream.aborted).toBe(false)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('is given up when its reader stops, and when it is cancelled', async () => {
    const left = await begun()
    for await (const bytes of left.reply.body as ByteStream) if (bytes) break
    expect(left.upstream.aborted).toBe(true)
    expect((await left.reply.ended).how).toBe('cancelled')
    const cancelled = await begun()
    cancelled.reply.cancel()
    expect(cancelled.upstream.aborted).toBe(true)
    expect(clock.pendingTimers()).toBe(0)
  })

  describe('keeps of its request', () => {
    /** A stream that has begun, with the call behind it, and how often its request was parsed. */
    async function begunWith<T>(init: Partial<CallInit>, askBy: (router: Router, asked: CallInit) => Promise<T>) {
      let call: Call | undefined
      const keeping = definePlugin({
        name: 'keeping',
        call: {
          run: (given, next) => {
            call = given
            return next(given)
          },
        },
      })
      const { router, requests } = setUp({}, [keeping])
      const parse = vi.spyOn(JSON, 'parse')
      onTestFinished(() => parse.mockRestore())
      const body = Buffer.from(
        JSON.stringify({ model: 'a', stream: true, messages: [{ role: 'user', content: 'mark' }] }),
      )
      const answer = askBy(router, { body, ...init })
      await vi.waitFor(() => expect(requests).toHaveLength(1))
      requests[0]!.stream().data(chunk('one'))
      const reply = await answer
      const parsings = () => parse.mock.calls.filter(([text]) => text.includes('mark')).length
      return { body, call: call!, parsings, reply }
    }

    const inProcess = (router: Router, asked: CallInit) => router.handle(asked)

    it('its bytes alone, where it came over HTTP', async () => {
      const { call, parsings, reply } = await begunWith({}, (router, { body }) =>
        router.fetch('http://host/v1/chat/completions', { method: 'POST', body: body as Uint8Array<ArrayBuffer> }),
      )
      expect(call.request.messages).toEqual([{ role: 'user', text: 'mark' }])
      expect(parsings()).toBe(2)
      await reply.body?.cancel()
    })

    it('its bytes alone, whatever becomes of the memory that it was streamed from', async () => {
      const { body, call, parsings, reply } = await begunWith({}, (router, { body: sent }) =>
        router.fetch('http://host/v1/chat/completions', {
          method: 'POST',
          body: ReadableStream.from([sent as Uint8Array<ArrayBuffer>]),
          duplex: 'half',
        }),
      )
      body.fill(0)
      expect(call.request.messages).toEqual([{ role: 'user', text: 'mark' }])
      expect(parsings()).toBe(2)
      await reply.body?.cancel()
    })

    it('its bytes alone, where those are its own: it can be parsed again', async () => {
      const { call, parsings, reply } = await begunWith({ ownsBody: true }, inProcess)
      expect(parsings()).toBe(1)
      expect(call.request.messages).toEqual([{ role: 'user', text: 'mark' }])
      expect(call.request.body).toMatchObject({ model: 'a', stream: true })
      expect(parsings()).toBe(2)
      reply.cancel()
      expect((await reply.ended).usage.inputTokens).toBeGreaterThan(0)
    })

    it('what was parsed, where its bytes are in memory of the host, which may use that again', async () => {
      const { body, call, parsings, reply } = await begunWith({}, inProcess)
      body.fill(0)
      expect(call.request.messages).toEqual([{ role: 'user', text: 'mark' }])
      expect(parsings()).toBe(1)
      reply.cancel()
      expect((await reply.ended).usage.inputTokens).toBeGreaterThan(0)
    })

    it('what it was given as an object', async () => {
      const given = { model: 'a', stream: true, messages: [{ role: 'user', content: 'mark' }] }
      const { call, parsings, reply } = await begunWith({ body: given, ownsBody: true }, inProcess)
      expect(call.request.body).toBe(given)
      expect(parsings()).toBe(0)
      reply.cancel()
    })
  })

  it('holds its upstream while nobody reads', async () => {
    const { reply, upstream } = await begun()
    const long = 'x'.repeat(20_000)
    for (let times = 0; times < 4; times++) upstream.data(chunk(long))
    expect(upstream.paused).toBe(true)
    const chunks = (reply.body as ByteStream)[Symbol.asyncIterator]()
    for (let times = 0; times < 5; times++) await chunks.next()
    expect(upstream.paused).toBe(false)
    reply.cancel()
  })
})

describe('what a provider echoes', () => {
  const key = 'sk-proj-0123456789abcdefghij'

  it('is shown to nobody: not the key, nor a header that is secret', async () => {
    const token = 'tok-9876543210zyxw'
    const { router, requests } = setUp({
      apiKey: key,
      headers: { 'x-gateway-token': token, 'x-pin': 'hunter2', cookie: 'crumb' },
    })
    const answer = failureOf(router.handle(ask()))
    await clock.settle()
    const echo = `bad: Bearer ${key}, ${token}, ...${key.slice(4, 20)}..., crumb`
    requests[0]!.json(400, { error: { message: echo, type: 'invalid_request_error', code: key } })
    const error = await answer
    const shown = [
      error!.message,
      Buffer.from(error!.answer!.body).toString(),
      JSON.stringify(error),
      String(error!.cause),
    ].join('\n')
    for (const secret of [key, token])
      for (let at = 0; at + 12 <= secret.length; at++) expect(shown).not.toContain(secret.slice(at, at + 12))
    expect(shown).not.toContain('crumb')
  })

  it('stays as it came where a short header that is no secret stands in it', async () => {
    const { router, requests } = setUp({ apiKey: key, headers: { 'x-region': 'eu', 'x-flag': '1', 'x-list': ',' } })
    const answer = failureOf(router.handle(ask()))
    await clock.settle()
    const body = {
      error: { message: 'The queue in eu-west-1 is full, 1 of 10', type: 'invalid_request_error', code: null },
    }
    requests[0]!.json(400, body)
    const error = await answer
    expect(error!.message).toBe(body.error.message)
    expect(JSON.parse(Buffer.from(error!.answer!.body).toString())).toEqual(body)
  })
})
