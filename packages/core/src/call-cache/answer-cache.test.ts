import fs from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { CachedAnswer } from '../cache/answer.ts'
import type { AnswerLayer } from '../cache/layer.ts'
import { createMemoryLayer } from '../cache/memory-layer.ts'
import type { CacheOptions } from '../cache/settings.ts'
import type { RouterOptions } from '../config/options.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Attempt, Handler } from '../types.ts'

const clock = createFakeClock()
const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const folder = fs.mkdtempSync(join(tmpdir(), 'signalbox-cache-'))
afterAll(() => fs.rmSync(folder, { recursive: true }))

let made = 0

/** A router with these layers, over a model that numbers its answers. */
function boxed(cache: CacheOptions, { routes, body }: Pick<RouterOptions, 'routes'> & { body?: Uint8Array } = {}) {
  const asked = vi.fn<Handler<Attempt>>(async () =>
    plainReply({ ...head, body: body ?? Buffer.from(`answer ${++made}`) }),
  )
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send: asked }) }
  const models = { a: { provider, price: false as const } }
  const router = createRouter({ models, clock, retry: false, cache, ...(routes && { routes }) })
  const warnings: string[] = []
  router.on('warning', ({ kind, message }) => warnings.push(`${kind} ${message}`))
  const ask = async (rest: object = {}) => {
    const messages = [{ role: 'user', content: 'hi' }]
    const reply = await router.handle({ body: { model: 'a', temperature: 0, messages, ...rest } })
    return { outcome: reply.headers['x-signalbox-cache'], said: Buffer.from(await readBody(reply)).toString() }
  }
  return { router, asked, ask, warnings }
}

/** A layer over a map. */
function mapLayer(name: string, kept = new Map<string, CachedAnswer>()): AnswerLayer {
  return { name, get: (key) => kept.get(key), set: (key, answer) => void kept.set(key, answer) }
}

describe('layers', () => {
  it('of a file are shared with other routers, also those of other processes, and outlive them', async () => {
    const cache = { file: join(folder, 'shared.db') }
    const one = boxed(cache)
    const { said } = await one.ask()
    await clock.advance(50)
    const other = boxed(cache)
    expect((await other.ask()).said).toBe(said)
    expect(other.router.status().cache!.layers.map(({ name, entries }) => [name, entries])).toEqual([
      ['memory', 1],
      ['sqlite', 1],
    ])
    await Promise.all([one.router.close(), other.router.close()])
    const third = boxed(cache)
    expect((await third.ask()).said).toBe(said)
    await third.router.close()
  })

  it('of a file whose bytes are not what was written have nothing', async () => {
    const file = join(folder, 'corrupt.db')
    const one = boxed({ file })
    await one.ask()
    await one.router.close()
    const database = new DatabaseSync(file)
    const { answer } = database.prepare('select answer from answers').get() as { answer: Uint8Array }
    for (const at of [0, 20, 40, answer.length - 1]) {
      const broken = Uint8Array.from(answer)
      broken[at]! ^= 1
      database.prepare('update answers set answer = ?').run(broken)
      const { router, ask } = boxed({ file })
      expect((await ask()).outcome).toBe('miss')
      await router.close()
    }
    database.close()
  })

  it('of a file keep within their bytes, and let the oldest go', async () => {
    const file = join(folder, 'bounded.db')
    const cache = { file, maximumFileBytes: 50_000, maximumBytes: 1 }
    const { router, ask } = boxed(cache, { body: Buffer.alloc(5_000, 97) })
    for (let seed = 0; seed < 40; seed++) {
      await ask({ seed })
      await clock.advance(60)
    }
    const { bytes, entries } = router.status().cache!.layers[1]!
    expect(bytes).toBeLessThanOrEqual(50_000)
    expect(entries).toBeGreaterThan(5)
    expect((await ask({ seed: 39 })).outcome).toBe('hit')
    expect((await ask({ seed: 0 })).outcome).toBe('miss')
    await router.close()
  })

  it('of a file lose nothing for an answer that is larger than they may be', async () => {
    const cache = { file: join(folder, 'huge.db'), maximumFileBytes: 50_000, maximumBytes: 1 }
    const small = boxed(cache)
    await small.ask()
    await clock.advance(60)
    const large = boxed(cache, { body: Buffer.alloc(60_000, 97) })
    await large.ask({ seed: 1 })
    await clock.advance(60)
    expect((await large.ask({ seed: 1 })).outcome).toBe('miss')
    expect((await small.ask()).outcome).toBe('hit')
    await Promise.all([small.router.close(), large.router.close()])
  })

  it('of a file that takes no answers for a while take them again afterwards', async () => {
    const file = join(folder, 'full.db')
    const { router, ask, warnings } = boxed({ file, maximumBytes: 1 })
    const database = new DatabaseSync(file)
    database.exec("create trigger full before insert on answers begin select raise(abort, 'the disk is full'); end")
    await ask()
    await clock.advance(60)
    expect(warnings).toEqual(['cache_failed The cache failed: the disk is full'])
    database.exec('drop trigger full')
    expect((await ask()).outcome).toBe('miss')
    await clock.advance(60)
    expect((await ask()).outcome).toBe('hit')
    database.close()
    await router.close()
  })

  it('that are no cache are refused with their names, and left as they are', () => {
    const file = join(folder, 'other.db')
    const database = new DatabaseSync(file)
    database.exec('create table mine (a)')
    expect(() => boxed({ file })).toThrow(`the cache cannot be kept in ${file}: it is a SQLite file, but no cache of`)
    expect(database.prepare('select count(*) as n from mine').get()).toEqual({ n: 0 })
    database.close()
    const garbage = join(folder, 'garbage.db')
    fs.writeFileSync(garbage, Buffer.alloc(10_000, 7))
    expect(() => boxed({ file: garbage })).toThrow(`the cache cannot be kept in ${garbage}: file is not a database`)
  })

  it('of a file whose pages are broken have nothing, and fail neither a call nor the status', async () => {
    const file = join(folder, 'broken.db')
    const before = boxed({ file, maximumBytes: 1 })
    for (let seed = 0; seed < 200; seed++) await before.ask({ seed })
    await before.router.close()
    const pages = fs.statSync(file).size - 4_096
    const descriptor = fs.openSync(file, 'r+')
    fs.writeSync(descriptor, Buffer.alloc(pages, 7), 0, pages, 4_096)
    fs.closeSync(descriptor)
    const { router, ask, warnings } = boxed({ file, maximumBytes: 1 })
    for (let seed = 0; seed < 3; seed++) expect((await ask({ seed })).outcome).toBe('miss')
    expect(router.status().cache!.layers).toEqual([expect.objectContaining({ name: 'memory' }), { name: 'sqlite' }])
    expect(warnings).toContain('cache_failed The cache failed: database disk image is malformed')
    await router.close()
  })

  it('that fail are a miss and a warning, and never fail a call', async () => {
    const broken: AnswerLayer = {
      name: 'broken',
      get: () => Promise.reject(new Error('no network')),
      set: () => JSON.parse('{') as void,
    }
    const { asked, ask, warnings } = boxed({ layers: [broken], maximumBytes: 1 })
    for (let times = 0; times < 2; times++) expect((await ask()).outcome).toBe('miss')
    await clock.settle()
    expect(asked).toHaveBeenCalledTimes(2)
    expect(warnings).toContain('cache_failed The cache failed: no network')
    expect(warnings).toHaveLength(4)
  })

  it('that never settle are a miss after a second, and the next one is asked', async () => {
    const deaf: AnswerLayer = {
      name: 'deaf',
      get: () => new Promise<never>(() => undefined),
      set: () => new Promise<never>(() => undefined),
    }
    const cache = { layers: [deaf, mapLayer('behind')], maximumBytes: 1 }
    const { ask, warnings } = boxed(cache)
    const outcomes: unknown[] = []
    for (let times = 0; times < 2; times++) {
      void ask().then(({ outcome }) => outcomes.push(outcome))
      await clock.advance(999)
      expect(outcomes).toHaveLength(times)
      await clock.advance(1)
    }
    expect(outcomes).toEqual(['miss', 'hit'])
    expect(warnings[0]).toBe('cache_failed The cache failed: the layer "deaf" took longer than 1000 ms')
    expect(clock.pendingTimers()).toBe(0)
  })

  const whole = { ...head, streamed: false, tellsUsage: false, body: Buffer.from('x'), usage: noUsage }
  const numbers = { storedAt: 0, costNanoUsd: 0, tookMs: 0 }
  it.each([
    ['a number', 7],
    ['an empty object', {}],
    ['a list', []],
    ['an answer without a body', { ...whole, ...numbers, body: undefined }],
    ['an answer with a body of text', { ...whole, ...numbers, body: 'x' }],
    ['an answer without headers', { ...whole, ...numbers, headers: undefined }],
    ['an answer without usage', { ...whole, ...numbers, usage: null }],
    ['an answer of an unknown age', { ...whole, ...numbers, storedAt: 'now' }],
    ['an answer of an unknown cost', { ...whole, ...numbers, costNanoUsd: undefined }],
    ['an answer that took no time that is one', { ...whole, ...numbers, tookMs: NaN }],
  ])('that give %s have nothing, and the next one is asked', async (_what, given) => {
    const mad: AnswerLayer = { name: 'mad', get: () => given as CachedAnswer, set: () => undefined }
    const { ask, warnings } = boxed({ layers: [mad, mapLayer('behind')], maximumBytes: 1 })
    expect([await ask(), await ask()].map(({ outcome }) => outcome)).toEqual(['miss', 'hit'])
    expect(warnings[0]).toBe('cache_failed The cache failed: the layer "mad" gave what is no answer')
  })

  it('that promise what is no answer have nothing', async () => {
    const mad: AnswerLayer = { name: 'mad', get: async () => 'mad' as never, set: () => undefined }
    const { ask, warnings } = boxed({ layers: [mad, mapLayer('behind')], maximumBytes: 1 })
    expect([await ask(), await ask()].map(({ outcome }) => outcome)).toEqual(['miss', 'hit'])
    expect(warnings[0]).toBe('cache_failed The cache failed: the layer "mad" gave what is no answer')
  })

  it('that give an answer in a dialect that nobody knows have nothing', async () => {
    const given = { ...whole, ...numbers, storedAt: clock.wallTime(), dialect: 'latin' as 'openai-chat' }
    const { ask } = boxed({ layers: [{ name: 'mad', get: () => given, set: () => undefined }], maximumBytes: 1 })
    expect((await ask()).outcome).toBe('miss')
  })

  it('that cannot be closed or counted keep no other one open', async () => {
    const closed = vi.fn<() => void>()
    const stuck: AnswerLayer = {
      ...mapLayer('stuck'),
      size: () => JSON.parse('{') as never,
      close: () => Promise.reject(new Error('stuck')),
    }
    const { router, warnings } = boxed({ layers: [stuck, { ...mapLayer('other'), close: closed }] })
    expect(router.status().cache!.layers.map(({ name }) => name)).toEqual(['memory', 'stuck', 'other'])
    await router.close()
    expect(closed).toHaveBeenCalledTimes(1)
    expect(warnings).toContain('cache_failed The cache failed: stuck')
  })

  it('that are slow, each in its own time, leave calls that ask the same one call', async () => {
    const far = mapLayer('far')
    let asking = 0
    const slow: AnswerLayer = {
      ...far,
      async get(key) {
        const known = await far.get(key)
        const waitMs = 10 * ++asking
        return new Promise((resolve) => void clock.setTimeout(() => resolve(known), waitMs))
      },
    }
    const { asked, ask } = boxed({ layers: [slow] })
    const answers = Array.from({ length: 20 }, () => ask())
    await clock.advance(1_000)
    expect(new Set((await Promise.all(answers)).map(({ said }) => said)).size).toBe(1)
    expect(asked).toHaveBeenCalledTimes(1)
  })

  it('further away fill those that are nearer', async () => {
    const kept = new Map<string, CachedAnswer>()
    const layers = [mapLayer('far', kept)]
    await boxed({ layers }).ask()
    const { router, ask } = boxed({ layers })
    const told: unknown[] = []
    router.on('cache', ({ layer }) => told.push(layer))
    await ask()
    await ask()
    expect(told).toEqual(['far', 'memory'])
    expect([...kept.keys()][0]).toMatch(/^[\w-]{43}$/)
  })

  it('further away have the answer where that of the nearer ones is too old', async () => {
    const far = mapLayer('far')
    const cache = { ttlMs: 1_000, staleWhileRevalidateMs: 10_000, layers: [far] }
    const [one, other] = [boxed(cache), boxed(cache)]
    await one.ask()
    const { said: old } = await other.ask()
    await clock.advance(2_000)
    // The first router has it made anew; the other one has the old one in its memory.
    expect(await one.ask()).toEqual({ outcome: 'hit', said: old })
    await clock.settle()
    const { said } = await other.ask()
    expect(said).not.toBe(old)
    expect(other.asked).not.toHaveBeenCalled()
    expect(other.router.status().cache).toMatchObject({ hits: 2, stale: 0 })
  })

  it('of a file keep answers for as long as the route wants that keeps them longest', async () => {
    const cache = { file: join(folder, 'routes.db'), ttlMs: 1_000, maximumBytes: 1 }
    const routes = { long: { models: ['a'], cache: { ttlMs: 3_600_000 } } }
    const { router, ask } = boxed(cache, { routes })
    await ask({ model: 'long' })
    await clock.advance(60_000)
    await ask()
    await clock.advance(60_000)
    expect((await ask({ model: 'long' })).outcome).toBe('hit')
    await router.close()
  })

  it('in memory keep within their bytes under very many keys', async () => {
    const layer = createMemoryLayer({ maximumBytes: 1_000_000 })
    const answer: CachedAnswer = {
      ...head,
      streamed: false,
      tellsUsage: false,
      usage: noUsage,
      storedAt: 0,
      costNanoUsd: 0,
      tookMs: 0,
      body: Buffer.alloc(100),
    }
    let most = 0
    for (let key = 0; key < 20_000; key++) {
      void layer.set(`key ${key}`, answer)
      if (key % 1_000 === 0) most = Math.max(most, layer.size!().bytes)
    }
    expect(most).toBeLessThanOrEqual(1_000_000)
    expect(layer.size!().entries).toBeLessThan(1_000)
    void layer.set('huge', { ...answer, body: Buffer.alloc(200_000) })
    expect(await layer.get('huge')).toBeUndefined()
  })
})
