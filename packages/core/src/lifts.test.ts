/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { completionBody, createFakeClock, createSimulatedDispatcher } from '@signalbox/testkit'
import { describe, expect, it, vi } from 'vitest'
import type { RouterOptions } from './config/options.ts'
import { SignalboxError } from './errors.ts'
import { type CacheLayer, type StoredAnswer, cacheLayer, classifier, guard, refuse } from './lifts.ts'
import type { Plugin } from './plugin.ts'
import { openaiCompatible } from './providers/openai-compatible.ts'
import type { Provider } from './providers/provider.ts'
import { noUsage, plainReply, readBody, streamOf, streamReply } from './reply.ts'
import { createRouter } from './router.ts'
import { PushStream } from './stream.ts'
import type { Attempt, ByteStream, Call, Ended, Handler, Reply } from './types.ts'

const bytes = (text: string) => Buffer.from(text)
const textOf = async (reply: Pick<Reply, 'body'>) => Buffer.from(await readBody(reply)).toString()
const head = { status: 200, headers: { 'content-type': 'text/plain' }, dialect: 'openai-chat', model: 'a' } as const
const plain = (text: string): Reply => plainReply({ ...head, body: bytes(text) })
const ended = (how: Ended['how']): Promise<Ended> => Promise.resolve({ how, usage: noUsage, estimated: false })
const streamed = (body: ByteStream, how: Ended['how'] = 'complete') => streamReply({ ...head, body, ended: ended(how) })
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A router with one model, `a`, that answers as it is told. */
function routerWith(plugins: readonly Plugin[], send: Handler<Attempt>) {
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send }) }
  return createRouter({ models: { a: { provider } }, plugins, clock: createFakeClock(), retry: false })
}

const ask = (content = 'hi', rest: object = {}) => ({
  body: { model: 'a', messages: [{ role: 'user', content }], ...rest },
})

describe('a classifier', () => {
  it('labels a call, for what comes behind it and in the record', async () => {
    const seen: unknown[] = []
    const router = routerWith(
      [classifier('language', (call) => ({ language: call.request.text === 'xin chào' ? 'vi' : 'en' }))],
      async ({ call }) => {
        seen.push(call.labels)
        return plain('ok')
      },
    )
    const { record, reply } = router.begin(ask('xin chào'))
    await reply
    expect(seen).toEqual([{ language: 'vi' }])
    expect(record.labels).toEqual({ language: 'vi' })
  })

  it('may label nothing, and may take its time', async () => {
    const seen: unknown[] = []
    const router = routerWith(
      [classifier('none', () => undefined), classifier('slow', async () => ({ task: 'code' }))],
      async ({ call }) => {
        seen.push(call.labels)
        return plain('ok')
      },
    )
    await router.handle(ask())
    expect(seen).toEqual([{ task: 'code' }])
  })

  it('wins over those before it, label by label', async () => {
    const router = routerWith(
      [classifier('one', () => ({ a: '1', b: '1' })), classifier('two', () => ({ b: '2' }))],
      async () => plain('ok'),
    )
    const { record, reply } = router.begin(ask())
    await reply
    expect(record.labels).toEqual({ a: '1', b: '2' })
  })

  it('is asked by explain as well', async () => {
    const router = routerWith([classifier('one', () => ({ a: '1' }))], async () => plain('ok'))
    expect((await router.explain(ask())).labels).toEqual({ a: '1' })
  })

  it('stands at its stage, and where its options say', () => {
    const router = routerWith(
      [classifier('late', () => undefined, { after: 'early' }), classifier('early', () => undefined)],
      async () => plain('ok'),
    )
    expect(router.order.filter(({ stage }) => stage === 'classify').map(({ plugin }) => plugin)).toEqual([
      'early',
      'late',
    ])
  })
})

describe('a guard', () => {
  it('refuses with 403 and its own words, and nothing is sent', async () => {
    const send = vi.fn<Handler<Attempt>>(async () => plain('ok'))
    const noPictures = guard('no-pictures', (call) => {
      if (call.request.modality.has('image')) throw refuse('No pictures, please.')
    })
    const router = routerWith([noPictures], send)
    const picture = {
      body: { model: 'a', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    }
    await expect(router.handle(picture)).rejects.toMatchObject({ code: 'refused', message: 'No pictures, please.' })
    expect(send).not.toHaveBeenCalled()
    await expect(router.handle(ask()).then(textOf)).resolves.toBe('ok')
  })

  it('may change the call', async () => {
    const seen: string[] = []
    const redacting = guard('redacting', (call) => ({
      ...call,
      request: call.request.with({ messages: [{ role: 'user', content: '***' }] }),
    }))
    const router = routerWith([redacting], async ({ call }) => {
      seen.push(call.request.text, Buffer.from(call.request.bytes).toString())
      return plain('ok')
    })
    await router.handle({ body: bytes('{"model":"a","messages":[{"role":"user","content":"secret"}],"seed":1.0}') })
    expect(seen).toEqual(['***', '{"model":"a","messages":[{"role":"user","content":"***"}],"seed":1.0}'])
  })

  it('that fails refuses the call, unless it is open', async () => {
    const broken = () => {
      throw new Error('the list could not be read')
    }
    const send = vi.fn<Handler<Attempt>>(async () => plain('ok'))
    await expect(routerWith([guard('closed', broken)], send).handle(ask())).rejects.toMatchObject({
      code: 'plugin_failed',
      plugin: 'closed',
    })
    expect(send).not.toHaveBeenCalled()
    await expect(
      routerWith([guard('open', broken, { onError: 'open' })], send)
        .handle(ask())
        .then(textOf),
    ).resolves.toBe('ok')
  })

  it('sees streamed calls too, and those that a cache would answer', async () => {
    const seen: string[] = []
    const watching = guard('watching', (call) => void seen.push(call.request.text))
    const cached = cacheLayer('cached', {
      get: () => ({ dialect: 'openai-chat', model: 'a', headers: {}, streamed: false, body: bytes('kept') }),
      set: () => undefined,
    })
    const router = routerWith([cached, watching], async () => plain('ok'))
    await router.handle(ask('one'))
    await router.handle(ask('two', { stream: true }))
    expect(seen).toEqual(['one', 'two'])
  })

  it('refuses what explain asks as well', async () => {
    const router = routerWith([guard('no', () => Promise.reject(refuse('No.')))], async () => plain('ok'))
    await expect(router.explain(ask())).rejects.toMatchObject({ code: 'refused' })
  })
})

/** A cache layer in memory, by the text asked. */
function inMemory(over: Partial<CacheLayer> = {}) {
  const kept = new Map<string, StoredAnswer>()
  const key = (call: Call) => call.request.text
  const layer: CacheLayer = {
    get: (call) => kept.get(key(call)),
    set: (call, answer) => void kept.set(key(call), answer),
    ...over,
  }
  return { kept, plugin: cacheLayer('cache-in-memory', layer) }
}

/** A router with this plugin, a clock to move, and a model whose answers cost 20 nano-USD. */
function timed(
  plugin: Plugin,
  options: Partial<RouterOptions> = {},
  answer: Handler<Attempt> = async () => plain('first'),
) {
  const clock = createFakeClock()
  const usage = { ...noUsage, outputTokens: 2 }
  const send = vi.fn<Handler<Attempt>>(async (attempt) => ({
    ...(await answer(attempt)),
    ended: Promise.resolve({ how: 'complete', usage, estimated: false }),
  }))
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send }) }
  const models = { a: { provider, price: { input: 0, output: 0.01 } } }
  return { clock, send, router: createRouter({ models, plugins: [plugin], clock, retry: false, ...options }) }
}

describe('a cache layer', () => {
  it('keeps a plain answer, and gives it again without asking a model', async () => {
    const { kept, plugin } = inMemory()
    const send = vi.fn<Handler<Attempt>>(async () => plain('first'))
    const router = routerWith([plugin], send)
    await router.handle(ask())
    const again = await router.handle(ask())
    expect(await textOf(again)).toBe('first')
    expect(again).toMatchObject({ status: 200, model: 'a', headers: { 'content-type': 'text/plain' } })
    expect(await again.ended).toMatchObject({ how: 'complete' })
    expect(send).toHaveBeenCalledTimes(1)
    await router.handle(ask('another'))
    expect(send).toHaveBeenCalledTimes(2)
    expect(kept.size).toBe(2)
  })

  it('keeps a stream that was read to its end, and gives it again as one', async () => {
    const { kept, plugin } = inMemory()
    const router = routerWith([plugin], async () => streamed(streamOf([bytes('one '), bytes('two')])))
    const first = await router.handle(ask())
    expect(kept.size).toBe(0)
    expect(await textOf(first)).toBe('one two')
    await settle()
    const again = await router.handle(ask())
    expect(again.body).not.toBeInstanceOf(Uint8Array)
    expect(await textOf(again)).toBe('one two')
  })

  it.each([
    ['a stream that tells it', { stream: true, stream_options: { include_usage: true } }],
    ['a plain answer', {}],
  ])('says as %s what was used, where a stream that was kept does not', async (_form, asked) => {
    const clock = createFakeClock({ turns: 1 })
    const dispatcher = createSimulatedDispatcher({ clock })
    const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', dispatcher, price: false })
    const router = createRouter({ models: { a: model }, plugins: [inMemory().plugin], clock })
    const read = async (extra: object) => {
      const reply = router.handle(ask('hi', extra))
      const text = reply.then(textOf)
      await clock.advance(60_000)
      return { cache: (await reply).headers['x-signalbox-cache'], text: await text, ended: await (await reply).ended }
    }
    const { usage } = (await read({ stream: true })).ended
    const { cache, text } = await read(asked)
    expect(usage.outputTokens).toBeGreaterThan(0)
    expect([cache, /"completion_tokens":(\d+)/.exec(text)?.[1]]).toEqual(['hit', String(usage.outputTokens)])
  })

  it.each(['plain', 'streamed'])('keeps no answer of more than 8 MiB, %s', async (form) => {
    const mebibyte = Buffer.alloc(1024 * 1024, 'a')
    const { kept, plugin } = inMemory()
    const of = (mebibytes: number) => Array<Buffer>(mebibytes).fill(mebibyte)
    let answer = [...of(8), bytes('b')]
    const router = routerWith([plugin], async () =>
      form === 'plain' ? plain(Buffer.concat(answer).toString()) : streamed(streamOf(answer)),
    )
    expect(await textOf(await router.handle(ask()))).toHaveLength(8 * mebibyte.length + 1)
    await settle()
    expect(kept.size).toBe(0)
    answer = of(8)
    await textOf(await router.handle(ask()))
    await settle()
    expect(kept.size).toBe(1)
  })

  it.each(['cut', 'stalled', 'cancelled'] as const)('never keeps a stream that was %s', async (how) => {
    const { kept, plugin } = inMemory()
    const router = routerWith([plugin], async () => streamed(streamOf([bytes('half')]), how))
    await textOf(await router.handle(ask()))
    await settle()
    expect(kept.size).toBe(0)
  })

  it('never keeps a part of a stream, read more slowly than it came or not to its end', async () => {
    const { kept, plugin } = inMemory()
    const stream = () => {
      const source = new PushStream({ pause: () => undefined, resume: () => undefined, cancel: () => undefined })
      for (const text of ['one ', 'two ', 'three']) source.push(bytes(text))
      source.end()
      return source
    }
    async function* upper(body: ByteStream) {
      for await (const chunk of body) yield bytes(Buffer.from(chunk).toString().toUpperCase())
    }
    const changing: Plugin = {
      name: 'changing',
      call: {
        stage: 'admit',
        run: async (call, next) =>
          next(call).then((reply) => streamReply({ ...reply, body: streamOf(upper(reply.body as ByteStream)) })),
      },
    }
    const router = routerWith([plugin, changing], async () => streamed(stream()))
    const left = await router.handle(ask('left'))
    for await (const chunk of left.body as ByteStream) if (chunk) break
    await settle()
    expect(kept.size).toBe(0)

    const slow = ((await router.handle(ask('slow'))).body as ByteStream)[Symbol.asyncIterator]()
    await slow.next()
    await settle()
    expect(kept.size).toBe(0)
    while (!(await slow.next()).done) await settle()
    await settle()
    expect(Buffer.from(kept.get('slow')!.body).toString()).toBe('ONE TWO THREE')
  })

  it('that takes longer than a second is a miss, unless it says how long it may take', async () => {
    for (const [timeoutMs, isLate] of [
      [undefined, true],
      [3_000, false],
    ] as const) {
      const get = () => new Promise<undefined>(() => undefined)
      const plugin = cacheLayer('slow', { get, set: () => undefined }, timeoutMs === undefined ? {} : { timeoutMs })
      const { clock, router, send } = timed(plugin)
      const reply = router.handle(ask())
      await clock.advance(1_000)
      expect(send).toHaveBeenCalledTimes(isLate ? 1 : 0)
      await clock.advance(2_000)
      await expect(reply).resolves.toMatchObject({ status: 200 })
    }
  })

  it('never keeps an error, nor an answer that is none', async () => {
    const set = vi.fn<CacheLayer['set']>()
    const { plugin } = inMemory({ set })
    await routerWith([plugin], () => Promise.reject(new SignalboxError('upstream_rejected', 'x')))
      .handle(ask())
      .catch(() => undefined)
    await routerWith([plugin], async () => ({ ...plain('x'), status: 206 })).handle(ask())
    await settle()
    expect(set).not.toHaveBeenCalled()
  })

  it('whose set throws or rejects does not touch the call, and says so in the log', async () => {
    for (const set of [
      () => {
        throw new Error('full')
      },
      () => Promise.reject(new Error('full')),
    ]) {
      const warn = vi.fn<(fields: object, message?: string) => void>()
      const nothing = () => undefined
      const { plugin } = inMemory({ set })
      const router = routerWith([plugin], async () => plain('ok'))
      await expect(
        router.handle({ ...ask(), log: { debug: nothing, info: nothing, warn, error: nothing } }).then(textOf),
      ).resolves.toBe('ok')
      await settle()
      expect(warn).toHaveBeenCalledWith(expect.objectContaining({ plugin: 'cache-in-memory' }), expect.any(String))
    }
  })

  it('whose get fails is a miss, unless it is closed', async () => {
    const get = () => Promise.reject(new Error('no connection'))
    const open = cacheLayer('open', { get, set: () => undefined })
    await expect(
      routerWith([open], async () => plain('ok'))
        .handle(ask())
        .then(textOf),
    ).resolves.toBe('ok')
    const closed = cacheLayer('closed', { get, set: () => undefined }, { onError: 'closed' })
    await expect(routerWith([closed], async () => plain('ok')).handle(ask())).rejects.toMatchObject({
      plugin: 'closed',
    })
  })

  it.each([
    ['no-store', ['miss', 'bypass', 'hit'], 2],
    ['no-cache', ['miss', 'miss', 'hit'], 2],
    ['max-age=9', ['miss', 'hit', 'hit'], 1],
    ['max-age=0', ['miss', 'miss', 'hit'], 2],
  ])('follows the Cache-Control %s of the caller', async (cacheControl, outcomes, times) => {
    const { plugin } = inMemory()
    const { router, send, clock } = timed(plugin)
    const replies: Reply[] = []
    for (const wishes of [{}, { cacheControl }, {}]) {
      replies.push(await router.handle({ ...ask(), ...wishes }))
      await clock.advance(9_000)
    }
    expect(replies.map(({ headers }) => headers['x-signalbox-cache'])).toEqual(outcomes)
    expect(send).toHaveBeenCalledTimes(times)
  })

  it('knows no age of an answer from before the clock was set back, but that it is not new', async () => {
    const { plugin } = inMemory()
    const { router, clock } = timed(plugin)
    await router.handle(ask())
    clock.jumpWallTime(-3_600_000)
    const { headers } = await router.handle({ ...ask(), cacheControl: 'max-age=60' })
    expect(headers['x-signalbox-cache']).toBe('miss')
  })

  it('keeps nothing of a caller that wants nothing kept', async () => {
    const { kept, plugin } = inMemory()
    await timed(plugin).router.handle({ ...ask(), cacheControl: 'no-store' })
    await settle()
    expect(kept.size).toBe(0)
  })

  it('says how old an answer is and what it saves, to its caller and in the ledger', async () => {
    const { plugin } = inMemory()
    const { router, clock } = timed(plugin, { ledger: 'memory' })
    await router.handle(ask())
    await clock.advance(7_500)
    expect((await router.handle(ask())).headers).toMatchObject({ 'x-signalbox-cache': 'hit', age: '7' })
    await settle()
    const [first, second] = [...router.ledger!.calls()].map(({ decision }) => (decision as { cache?: object }).cache)
    expect(first).toBeUndefined()
    expect(second).toEqual({ outcome: 'hit', layer: 'cache-in-memory', ageMs: 7_500, bytes: 5, savedNanoUsd: 20 })
  })

  it('behind the cache of the router is told of as what it is: a hit of its own name, as old as it is', async () => {
    const { plugin } = inMemory()
    const { router, clock } = timed(plugin, { cache: { ttlMs: 10_000 } })
    const seen: unknown[] = []
    router.on('cache', ({ outcome, layer }) => seen.push([outcome, layer]))
    for (const wait of [11_000, 6_000]) {
      await router.handle({ body: { ...ask().body, temperature: 0 } })
      await clock.advance(wait)
    }
    const { headers } = await router.handle({ body: { ...ask().body, temperature: 0 } })
    expect(headers).toMatchObject({ 'x-signalbox-cache': 'hit', age: '17' })
    expect(seen).toEqual([
      ['miss', undefined],
      ['hit', 'cache-in-memory'],
      ['hit', 'cache-in-memory'],
    ])
    expect(router.status().cache).toMatchObject({ hits: 2, misses: 1, savedUsd: '0.00000004' })
  })

  it.each([
    ['nothing of an answer', {}],
    ['text', 'first'],
    ['an answer without a body', { ...head, streamed: false, body: undefined }],
    ['an answer in a dialect that nobody knows', { ...head, dialect: 'latin', streamed: false, body: bytes('x') }],
  ])('that gives %s is a miss, and gets the answer anew', async (_what, given) => {
    const { kept, plugin } = inMemory()
    kept.set('hi', given as StoredAnswer)
    const { router, send } = timed(plugin)
    for (let times = 0; times < 2; times++) {
      expect(await textOf(await router.handle(ask()))).toBe('first')
      await settle()
    }
    expect(send).toHaveBeenCalledTimes(1)
  })

  it('gives each caller bytes of its own', async () => {
    const { router } = timed(inMemory().plugin)
    for (let times = 0; times < 3; times++) {
      const { body } = await router.handle(ask())
      expect(Buffer.from(body as Uint8Array).toString()).toBe('first')
      ;(body as Uint8Array).fill(0)
    }
  })

  it('keeps no answer that a budget near its end had made by another route', async () => {
    const { kept, plugin } = inMemory()
    const degrade = { at: 0.5, routes: { a: 'cheap' } }
    const budgets = [{ per: 'all', limitUsd: 0, soft: true, window: 'day', degrade }] as const
    const { router } = timed(plugin, { budgets, routes: { cheap: { models: ['a'] } } })
    await router.handle(ask())
    await settle()
    expect(kept.size).toBe(0)
    await router.handle(ask('hi', { model: 'cheap' }))
    await settle()
    expect(kept.size).toBe(1)
  })

  it('keeps no answer that stops where a budget did', async () => {
    const { kept, plugin } = inMemory()
    const cut = (finishReason: string) => async () =>
      plainReply({ ...head, body: bytes(JSON.stringify(completionBody({ content: 'Once', finishReason }))) })
    const budgets = [{ per: 'all', limitUsd: 1e-6, window: 'day' }] as const
    await timed(plugin, { budgets }, cut('length')).router.handle(ask())
    await settle()
    expect(kept.size).toBe(0)
    await timed(plugin, { budgets }, cut('stop')).router.handle(ask())
    await settle()
    expect(kept.size).toBe(1)
  })

  it('is not asked by explain', async () => {
    const get = vi.fn<CacheLayer['get']>()
    await routerWith([inMemory({ get }).plugin], async () => plain('ok')).explain(ask())
    expect(get).not.toHaveBeenCalled()
  })
})
