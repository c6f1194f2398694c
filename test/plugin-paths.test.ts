import { expect, it } from 'vitest'
import { type PluginRequest, definePlugin, refuse, streamOf } from '@signalbox/core'
import { completion } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { describeMounts, describeReaches, hostAnswer } from './support/mounts.ts'
import { eventually, modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

const echo = async ({ method, rest, identity, body, header }: PluginRequest) => ({
  status: 201,
  headers: { 'x-echo': header('x-word') ?? 'none' },
  body: { method, rest, user: identity.user, sent: method === 'POST' ? JSON.parse(textOf(await body())) : undefined },
})
const textOf = (body: Uint8Array | object) =>
  body instanceof Uint8Array ? Buffer.from(body).toString() : JSON.stringify(body)

const pages = definePlugin({
  name: 'pages',
  paths: [
    { path: '/report', answer: () => ({ body: 'for operators' }) },
    { path: '/echo/*', access: 'caller', answer: echo },
    { path: '/echo', method: 'POST', access: 'caller', answer: echo },
    { path: '/stream', access: 'caller', answer: () => ({ body: streamOf([Buffer.from('a'), Buffer.from('b')]) }) },
    {
      path: '/bytes',
      access: 'caller',
      answer: () => ({ headers: { 'Content-Type': 'text/csv' }, body: new TextEncoder().encode('a,é\n') }),
    },
    { path: '/refused', access: 'caller', answer: () => Promise.reject(refuse('Not today.')) },
    { path: '/broken', access: 'caller', answer: () => JSON.parse('{"secret"') as never },
  ],
})

const boxed = async (options: object = {}) =>
  routerOver([await upstreamThat(completion({ content: 'ok' }))], { plugins: [pages], ...options })

describeMounts('the paths of a plugin', (mount) => {
  const get = (path: string) => ({ method: 'GET', path: `/plugins/pages${path}` })

  it('stand below its name, with what follows, the body and who asks', async () => {
    const to = await mount.serve(await boxed(), { identify: () => ({ user: 'ada' }) })
    const got = await send(to, { ...get('/echo/a/b%20c'), headers: { 'x-word': 'hi' } })
    expect([got.status, got.headers['x-echo'], got.headers['content-type']]).toEqual([201, 'hi', 'application/json'])
    expect(got.json()).toEqual({ method: 'GET', rest: 'a/b%20c', user: 'ada' })
    const posted = await send(to, { path: '/plugins/pages/echo', body: { n: 1 } })
    expect(posted.json()).toMatchObject({ method: 'POST', sent: { n: 1 } })
    expect((await send(to, get('/stream'))).text).toBe('ab')
  })

  it('answer with bytes that are no Buffer, and with headers in whatever case', async () => {
    const got = await send(await mount.serve(await boxed()), get('/bytes'))
    expect([got.headers['content-type'], got.text]).toEqual(['text/csv', 'a,é\n'])
  })

  it('are for operators unless they say otherwise', async () => {
    const router = await boxed()
    const hidden = await send(await mount.serve(router), get('/report'))
    expect(hidden.status).toBe(mount.name === 'listener' ? 404 : hostAnswer.status)
    const to = await mount.serve(router, { authorise: (req) => req.headers['x-admin'] === 'yes' })
    expect((await send(to, get('/report'))).status).toBe(403)
    const shown = await send(to, { ...get('/report'), headers: { 'x-admin': 'yes' } })
    expect([shown.status, shown.text]).toEqual([200, 'for operators'])
  })

  it('take the method they name, and tell of what they throw without showing it', async () => {
    const to = await mount.serve(await boxed())
    const wrong = await send(to, { method: 'DELETE', path: '/plugins/pages/stream' })
    expect([wrong.status, wrong.headers['allow']]).toEqual([405, 'GET'])
    const refused = await send(to, get('/refused'))
    expect([refused.status, refused.json().error.message]).toEqual([403, 'Not today.'])
    const broken = await send(to, get('/broken'))
    expect(broken.status).toBe(500)
    expect(broken.json().error.message).toContain('"pages"')
    expect(broken.text).not.toContain('secret')
  })
})

const nowhere = { baseUrl: 'http://127.0.0.1:9' }
const left: string[] = []
async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of 'abc') yield Buffer.from(piece)
}

async function* endless(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (;;) {
      yield Buffer.alloc(32 * 1024, 'x')
      await new Promise((resolve) => void setImmediate(resolve))
    }
  } finally {
    left.push(signal.aborted ? 'with its caller' : 'alone')
  }
}

const caller = { access: 'caller' } as const
const odd = definePlugin({
  name: 'odd',
  paths: [
    { ...caller, path: '/query', answer: ({ query }) => ({ body: [...query] }) },
    {
      ...caller,
      path: '/headers',
      answer: () => ({ headers: { 'Content-Type': 'text/csv', 'X-Own': 'yes' }, body: 'a' }),
    },
    { ...caller, path: '/none', answer: () => ({ status: 204, body: '' }) },
    { ...caller, path: '/pieces', answer: () => ({ body: pieces() }) },
    { ...caller, path: '/status', answer: () => ({ status: 1_000, body: 'x' }) },
    { ...caller, path: '/header', answer: () => ({ headers: { 'x-own': 'a\r\nx-other: b' }, body: 'x' }) },
    { ...caller, path: '/nothing', answer: () => undefined as never },
    { ...caller, path: '/generator', answer: async function* () {} as never },
    { ...caller, path: '/endless', answer: ({ signal }) => ({ body: endless(signal) }) },
    {
      ...caller,
      path: '/twice',
      method: 'POST',
      answer: async ({ body }) => ({ body: { same: (await body()) === (await body()) } }),
    },
  ],
})

describeReaches('the path of a plugin', (reach) => {
  const asked = async (path: string, init?: RequestInit) => {
    const { url, fetch } = await reach(routerFor({ models: { a: modelAt(nowhere) }, plugins: [odd] }))
    return fetch(`${url}/plugins/odd${path}`, init)
  }

  it('is told the query', async () => {
    expect(await (await asked('/query?by=day&by=user')).json()).toEqual([
      ['by', 'day'],
      ['by', 'user'],
    ])
  })

  it('gives its body as often as it is asked for', async () => {
    const answer = await asked('/twice', { method: 'POST', body: '{"n":1}' })
    expect(await answer.json()).toEqual({ same: true })
  })

  it('may name its headers in any case, answer without a body, and answer with any pieces', async () => {
    const table = await asked('/headers')
    expect([table.headers.get('content-type'), table.headers.get('x-own')]).toEqual(['text/csv', 'yes'])
    const none = await asked('/none')
    expect([none.status, await none.text()]).toEqual([204, ''])
    expect(await (await asked('/pieces')).text()).toBe('abc')
  })

  it.each(['/status', '/header', '/nothing', '/generator'])(
    'that answers what cannot be said is named: %s',
    async (path) => {
      const answer = await asked(path)
      expect(answer.status).toBe(500)
      expect(answer.headers.get('x-other')).toBeNull()
      expect(await answer.text()).toContain('The plugin \\"odd\\"')
    },
  )

  it('ends what it writes when its caller leaves', async () => {
    left.length = 0
    const leaving = new AbortController()
    const answer = await asked('/endless', { signal: leaving.signal })
    const reader = answer.body!.getReader()
    await reader.read()
    leaving.abort()
    await reader.cancel().catch(() => undefined)
    await eventually(() => left.length > 0)
    expect(left).toEqual(['with its caller'])
  })
})

describeMounts('Server-Timing', (mount) => {
  it('says how long each hook took where hookTimes asks for it, and is not there otherwise', async () => {
    const timed = await send(await mount.serve(await boxed({ hookTimes: true })), { body: chat() })
    expect(timed.headers['server-timing']).toMatch(
      /^call\.observe;dur=[\d.]+, call\.permission;dur=[\d.]+, .*attempt\.retry;dur=[\d.]+, .*attempt\.meter;dur=[\d.]+/,
    )
    const plain = await send(await mount.serve(await boxed()), { body: chat() })
    expect(plain.headers['server-timing']).toBeUndefined()
  })
})

describeMounts('an answer that a plugin makes', (mount) => {
  it('of bytes that are no Buffer goes out as it is', async () => {
    const own = '{"content":"é"}'
    const rewritten = definePlugin({
      name: 'rewritten',
      call: async (call, next) => ({ ...(await next(call)), body: new TextEncoder().encode(own) }),
    })

    const got = await send(await mount.serve(await boxed({ plugins: [rewritten] })), { body: chat() })

    expect([got.headers['content-type'], got.text]).toEqual(['application/json', own])
  })
})
