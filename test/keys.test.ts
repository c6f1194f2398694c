import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import Anthropic, { AuthenticationError as AnthropicAuthenticationError } from '@anthropic-ai/sdk'
import OpenAI, { AuthenticationError } from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type KeySource, createKey, createRouter, readKeys, revokeKeys } from '@signalbox/core'
import { completion, createFakeClock } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { speakers } from './support/dialects.ts'
import { yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

const price = { input: 0.001, output: 0.01 }
const shopKey = 'a-key-of-sixteen-or-more'
const shop = { name: 'shop', key: shopKey, user: 'u1' }
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const answers = () => upstreamThat(completion({ content: 'hello' }))

function keyFile(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keys-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  return path.join(folder, 'keys.json')
}

describeMounts('a router with keys', (mount) => {
  const withKeys = async (...keys: readonly KeySource[]) => {
    const upstream = await answers()
    const router = routerOver([upstream], { keys, ledger: 'memory', model: { price } })
    return { upstream, router, mounted: await mount.serve(router) }
  }

  it.each([
    ['no key', {}, 'An API key is needed'],
    ['a wrong one', bearer('wrong'), 'The API key is not valid'],
    ['half of the right one', bearer(shopKey.slice(0, 12)), 'The API key is not valid'],
    ['the key under another scheme', { authorization: `Basic ${shopKey}` }, 'An API key is needed'],
    ['an expired one', bearer('an-old-key-of-many-characters'), 'The API key has expired'],
  ])('answers %s with 401 invalid_api_key, and asks nobody', async (_what, headers, message) => {
    const { upstream, mounted } = await withKeys(shop, {
      name: 'old',
      key: 'an-old-key-of-many-characters',
      expiresAt: '2020-01-01',
    })
    const paths = [
      { body: chat(), headers },
      { method: 'GET', path: '/models', headers },
    ]
    for (const sent of paths) {
      const { status, json } = await send(mounted, sent)
      expect(status).toBe(401)
      expect(json()).toEqual({ error: { message, type: 'authentication_error', param: null, code: 'invalid_api_key' } })
    }
    expect(upstream.requests).toHaveLength(0)
    expect((await send(mounted, { method: 'GET', path: '/health' })).status).toBe(200)
  })

  const dialects = [...speakers, { ...speakers[1]!, path: '/messages/count_tokens' }]

  it.each(dialects)('answers in the dialect of $path, whichever header the key is in', async (speaker) => {
    const { upstream, mounted } = await withKeys(shop)
    for (const headers of [bearer('wrong'), { 'x-api-key': 'wrong' }]) {
      const answer = await send(mounted, { path: speaker.path, body: speaker.request(), headers })
      const { code, message, type } = speaker.errorOf(answer.json())
      expect(answer.status).toBe(401)
      expect({ code, message, type }).toEqual({
        code: 'invalid_api_key',
        message: 'The API key is not valid',
        type: 'authentication_error',
      })
      expect(answer.headers['x-should-retry']).toBe('false')
    }
    expect(upstream.requests).toHaveLength(0)
  })

  it("makes OpenAI's and Anthropic's clients raise their own AuthenticationError, and lets the right key in", async () => {
    const { mounted } = await withKeys(shop)
    const clientsWith = (apiKey: string) => {
      const openai = new OpenAI({ baseURL: mounted.url, apiKey })
      const anthropic = new Anthropic({ baseURL: mounted.url.replace(/\/v1$/, ''), apiKey })
      const message = { role: 'user' as const, content: 'Hello' }
      return {
        openai: [
          () => openai.chat.completions.create({ model: 'auto', messages: [message] }),
          () => openai.responses.create({ model: 'auto', input: 'Hello', store: false }),
          () => openai.models.list(),
        ],
        anthropic: [
          () => anthropic.messages.create({ model: 'auto', max_tokens: 9, messages: [message] }),
          () => anthropic.models.list(),
        ],
      }
    }
    const strangers = clientsWith('sk-wrong')
    for (const ask of strangers.openai) await expect(ask()).rejects.toBeInstanceOf(AuthenticationError)
    for (const ask of strangers.anthropic) await expect(ask()).rejects.toBeInstanceOf(AnthropicAuthenticationError)
    for (const ask of Object.values(clientsWith(shopKey)).flat()) await ask()
  })

  it.each([bearer(shopKey), { authorization: `bearer ${shopKey}` }, { 'x-api-key': shopKey }, { 'api-key': shopKey }])(
    'takes a key however a client shows it, and never hands it on: %j',
    async (headers) => {
      const { upstream, router, mounted } = await withKeys(shop)
      expect((await send(mounted, { body: chat(), headers })).status).toBe(200)
      expect(JSON.stringify(upstream.requests[0]!.headers)).not.toContain(shopKey)
      expect([...router.ledger!.calls()]).toMatchObject([{ identity: { key: 'shop', user: 'u1' } }])
    },
  )

  it('knows a key by its SHA-256 alone', async () => {
    const sha256 = createHash('sha256').update(shopKey).digest('hex')
    const { mounted } = await withKeys({ name: 'shop', sha256 })
    expect((await send(mounted, { body: chat(), headers: bearer(shopKey) })).status).toBe(200)
  })

  it('asks no key of whom the host knows', async () => {
    const upstream = await answers()
    const router = routerOver([upstream], { keys: [shop], ledger: 'memory' })
    const mounted = await mount.serve(router, {
      identify: (req) => (req.headers['x-user'] ? { user: 'ada' } : undefined),
    })
    expect((await send(mounted, { body: chat(), headers: { 'x-user': '1' } })).status).toBe(200)
    expect((await send(mounted, { body: chat() })).status).toBe(401)
    expect((await router.fetch('http://x/v1/models')).status).toBe(200)
  })

  it('keeps a key to its routes and its models', async () => {
    const upstream = await answers()
    const model = modelAt(upstream)
    const router = routerFor({
      models: { a: model, b: model, c: model },
      routes: { auto: { models: ['a', 'b'] }, other: { models: ['c'] } },
      keys: [{ ...shop, routes: ['auto', 'other'], models: ['b'] }],
    })
    const mounted = await mount.serve(router)
    const ask = (wanted: string) => send(mounted, { body: chat({ model: wanted }), headers: bearer(shopKey) })
    expect((await ask('auto')).headers['x-signalbox-model']).toBe('b')
    for (const wanted of ['a', 'other']) {
      const refusal = await ask(wanted)
      expect([refusal.status, refusal.json().error.code]).toEqual([403, 'route_not_allowed'])
    }
    const listed = await send(mounted, { method: 'GET', path: '/models', headers: bearer(shopKey) })
    expect(listed.json().data.map(({ id }: { id: string }) => id)).toEqual(['auto'])
  })
})

describe('keys in a file', () => {
  it('are made, and revoked, while the router runs', async () => {
    const file = keyFile()
    const first = createKey(file, { name: 'shop' })
    const { router, clock } = yard({ models: { a: {} }, keys: [{ file }] })
    expect(router.identify(first.key)).toEqual({ key: 'shop' })

    const second = createKey(file, { name: 'shop', user: 'u2' })
    await clock.advance(1_000)
    expect([router.identify(first.key), router.identify(second.key)]).toEqual([
      { key: 'shop' },
      { key: 'shop', user: 'u2' },
    ])

    revokeKeys(file, first.stored.id)
    await clock.advance(1_000)
    expect(() => router.identify(first.key)).toThrow('not valid')
    expect(router.identify(second.key)).toEqual({ key: 'shop', user: 'u2' })
  })

  it('are hashed, and for their owner alone', () => {
    const file = keyFile()
    const { key } = createKey(file, { name: 'shop' })
    expect(key).toMatch(/^sb-[\w-]{43}$/)
    expect(fs.readFileSync(file, 'utf8')).not.toContain(key)
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
  })

  it('stay readable for whom they were, and a link to them stays a link', () => {
    const file = keyFile()
    createKey(file, { name: 'shop' })
    fs.chmodSync(file, 0o640)
    if (process.getuid?.() === 0) fs.chownSync(file, 1234, 5678)
    const { uid, gid } = fs.statSync(file)
    const link = `${file}.link`
    fs.symlinkSync(file, link)
    createKey(link, { name: 'ci' })
    revokeKeys(link, 'shop')
    expect(fs.lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readKeys(file).map(({ name }) => name)).toEqual(['ci'])
    const { mode, ...owner } = fs.statSync(file)
    expect([mode & 0o777, owner.uid, owner.gid]).toEqual([0o640, uid, gid])
  })

  it('are changed by one command at a time: none undoes what another has done', async () => {
    const file = keyFile()
    createKey(file, { name: 'shop' })
    // Another command has begun, and ends in a while.
    fs.writeFileSync(`${file}.tmp`, JSON.stringify({ version: 1, keys: [] }))
    const script = 'setTimeout(() => require("node:fs").renameSync(process.argv[1], process.argv[2]), 300)'
    const ended = once(spawn(process.execPath, ['--eval', script, `${file}.tmp`, file]), 'exit')
    createKey(file, { name: 'ci' })
    await ended
    expect(readKeys(file).map(({ name }) => name)).toEqual(['ci'])
    expect(fs.readdirSync(path.dirname(file))).toEqual(['keys.json'])
  })

  it('say why they cannot be written, and leave nothing behind', () => {
    const file = keyFile()
    expect(() => createKey(`${file}/no/keys.json`, { name: 'shop' })).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: expect.stringMatching(/keys\.json cannot be written: ENOENT/),
      }),
    )
    fs.writeFileSync(file, '{}')
    expect(() => createKey(file, { name: 'shop' })).toThrow('no file of keys')
    expect(fs.readdirSync(path.dirname(file))).toEqual(['keys.json'])
  })

  it('stay as they were where the file cannot be read', async () => {
    const file = keyFile()
    const { key } = createKey(file, { name: 'shop' })
    const { router, clock } = yard({ models: { a: {} }, keys: [{ file }] })
    const told: string[] = []
    router.on('warning', ({ kind }) => told.push(kind))
    for (const broken of ['{"keys":[', '{"keys":[{"name":"x"}]}', '']) {
      fs.writeFileSync(file, broken)
      await clock.advance(1_000)
      expect(router.identify(key)).toEqual({ key: 'shop' })
    }
    expect(told).toEqual(['keys_unreadable', 'keys_unreadable', 'keys_unreadable'])
  })

  it('are missed at start', () => {
    const file = keyFile()
    const make = () => createRouter({ models: { a: modelAt({ baseUrl: 'http://a.test/v1' }) }, keys: [{ file }] })
    expect(make).toThrow('cannot be read; "signalbox keys create" makes it')
    expect(() => readKeys(path.dirname(file))).toThrow(/cannot be read: EISDIR/)
    fs.writeFileSync(file, '{}')
    expect(make).toThrow('no file of keys')
    expect(() => readKeys(file)).toThrow('no file of keys')
  })

  const odd: readonly { written: object; fault: string }[] = [
    { written: { budget: [{ limitUsd: 1, window: 'day' }] }, fault: 'keys[1].budget: unknown key' },
    {
      written: { budgets: [{ limitUsd: '1', window: 'day' }] },
      fault: 'keys[1].budgets[0].limitUsd: expected a number',
    },
    {
      written: { budgets: [{ limitUsd: 1e20, window: 'day' }] },
      fault: 'keys[1].budgets[0].limitUsd: expected a number',
    },
    { written: { budgets: [{ limitUsd: 1 }] }, fault: 'keys[1].budgets[0].window: expected' },
    { written: { routes: 'auto' }, fault: 'keys[1].routes: expected a list' },
    { written: { createdAt: undefined }, fault: 'keys[1].createdAt: expected a string' },
  ]
  it.each(odd)('say at once what makes no sense in their file: $written', ({ written, fault }) => {
    const file = keyFile()
    createKey(file, { name: 'shop' })
    const { stored } = createKey(file, { name: 'ci' })
    fs.writeFileSync(file, JSON.stringify({ version: 1, keys: [readKeys(file)[0], { ...stored, ...written }] }))
    const make = () => createRouter({ models: { a: modelAt({ baseUrl: 'http://a.test/v1' }) }, keys: [{ file }] })
    expect(make).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: expect.stringContaining(`${file} has a fault:\n  ${fault}`),
      }),
    )
  })

  it.each<[object, string]>([
    [
      { budgets: [{ limitUsd: 1e20, window: 'day' }] },
      'budgets[0].limitUsd: expected a number of 9000000000 at the most',
    ],
    [{ maxCostUsd: 0 }, 'maxCostUsd: expected a number above 0, got 0'],
    [{ user: '' }, 'user: expected a text of 1 or more characters, got ""'],
    [{ tags: [''] }, 'tags[0]: expected a text of 1 or more characters, got ""'],
  ])('are not made where nobody could use them: %j', (scope, fault) => {
    const file = keyFile()
    expect(() => createKey(file, { name: 'shop', ...scope })).toThrow(`The key "shop" has a fault:\n  ${fault}`)
    expect(fs.existsSync(file)).toBe(false)
  })

  it('spend within their own budgets, and expire', async () => {
    const clock = createFakeClock()
    const upstream = await answers()
    const router = routerFor({
      models: { a: modelAt(upstream, { price }) },
      keys: [
        { ...shop, budgets: [{ limitUsd: 6e-7, window: 'day' }], expiresAt: '2026-01-02T00:00:00Z' },
        { name: 'other', key: 'another-key-of-many-characters' },
      ],
      clock,
    })
    const ask = (key: string) =>
      router.handle({ body: chat({ model: 'a', max_tokens: 40 }), identity: router.identify(key) })
    await ask(shopKey)
    expect(await router.budgets({ identity: router.identify(shopKey) })).toMatchObject([
      { per: 'key', bucket: 'shop', limitUsd: '0.0000006', settledUsd: '0.00000006' },
    ])
    for (let time = 0; time < 3; time++) await ask(shopKey).catch(() => undefined)
    await expect(ask(shopKey)).rejects.toMatchObject({ code: 'budget_exceeded' })
    await ask('another-key-of-many-characters')
    clock.jumpWallTime(86_400_000)
    expect(() => router.identify(shopKey)).toThrow('has expired')
  })
})
