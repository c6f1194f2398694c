/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, vi } from 'vitest'
import { SignalboxError } from './errors.ts'
import { type CacheLayer, type StoredAnswer, cacheLayer, classifier, guard, refuse } from './lifts.ts'
import type { Plugin } from './plugin.ts'
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

  it('is not asked by explain', async () => {
    const get = vi.fn<CacheLayer['get']>()
    await routerWith([inMemory({ get }).plugin], async () => plain('ok')).explain(ask())
    expect(get).not.toHaveBeenCalled()
  })
})
