import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Logger, definePlugin, streamOf } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import {
  chunk,
  completion,
  inTurn,
  jsonError,
  reset,
  stream,
  streamEvents,
  streamHead,
  waitFor,
} from '@signalbox/testkit'
import { chat, collect, contentOf, send } from './support/caller.ts'
import { describeHosts, hostAnswer, mounts } from './support/mounts.ts'
import { closedGate, eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

const inFrameworks = mounts.filter(({ name }) => name !== 'listener')
const answering = () => upstreamThat(completion({ content: 'an answer' }))
const get = (path: string) => ({ method: 'GET', path })

describeHosts('a router', (mount) => {
  describe.each(['/', '/v1', '/ai'] as const)('mounted at %s', (at) => {
    it.each([undefined, '1mb'])('answers calls, with a body parser of %s before it', async (parserLimit) => {
      const router = routerOver([await answering()])
      const mounted = await mount.serve(router, { at, ...(parserLimit && { parserLimit }) })

      const answer = await send(mounted, { body: chat() })

      expect(answer.status).toBe(200)
      expect(answer.json().choices[0].message.content).toBe('an answer')
    })

    it('streams', async () => {
      const router = routerOver([await upstreamThat(stream(streamEvents({ content: ['an ', 'answer'] })))])

      const answer = await send(await mount.serve(router, { at }), { body: chat({ stream: true }) })

      expect(contentOf(answer.text)).toBe('an answer')
    })

    it.each(['/models', '/models/', '/models?limit=5'])('answers %s', async (path) => {
      const router = routerOver([await answering()])

      const answer = await send(await mount.serve(router, { at }), get(path))

      expect(answer.status).toBe(200)
      expect(answer.json().data.map(({ id }: { id: string }) => id)).toEqual(['auto', 'first'])
    })
  })

  it.each(['/', '/ai'] as const)('mounted at %s answers below /v1 too', async (at) => {
    const mounted = await mount.serve(routerOver([await answering()]), { at })

    expect((await send(mounted, { path: '/v1/chat/completions', body: chat() })).status).toBe(200)
  })

  it.each([
    { method: 'GET', path: '/chat/completions', allow: 'POST' },
    { method: 'DELETE', path: '/chat/completions', allow: 'POST' },
    { method: 'POST', path: '/models', allow: 'GET' },
    { method: 'PUT', path: '/models/auto', allow: 'GET' },
    { method: 'POST', path: '/health', allow: 'GET' },
  ])('refuses $method $path and says what it takes', async ({ method, path, allow }) => {
    const upstream = await answering()

    const answer = await send(await mount.serve(routerOver([upstream])), { method, path })

    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe(allow)
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'method_not_allowed' })
    expect(upstream.requests).toHaveLength(0)
  })

  it('answers HEAD as GET, without the body', async () => {
    const answer = await send(await mount.serve(routerOver([await answering()])), { method: 'HEAD', path: '/models' })

    expect(answer.status).toBe(200)
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(0)
    expect(answer.body).toHaveLength(0)
  })

  it('says that it lives and takes calls', async () => {
    const mounted = await mount.serve(routerOver([await answering()]))

    expect((await send(mounted, get('/health'))).json()).toEqual({ status: 'ok', live: true, ready: true })
    expect((await send(mounted, get('/health/live'))).json()).toEqual({ status: 'ok', live: true })
    expect((await send(mounted, get('/health/ready'))).status).toBe(200)
  })
})

describe.each(inFrameworks)('the host, on $name', (mount) => {
  it.each(['/chat/completion', '/chat', '/modelsx', '/', '/v1/unknown', '/chat/completions/extra'])(
    'answers %s itself: the router hands unknown paths on',
    async (path) => {
      const answer = await send(await mount.serve(routerOver([await answering()])), get(path))

      expect(answer).toMatchObject({ status: hostAnswer.status, text: hostAnswer.body })
      expect(answer.headers['x-request-id']).toBeUndefined()
    },
  )

  it('answers what lies outside of the mount, also where the path looks like one of ours', async () => {
    const mounted = await mount.serve(routerOver([await answering()]), { at: '/ai' })

    expect((await send({ ...mounted, prefix: '' }, get('/models'))).status).toBe(hostAnswer.status)
    expect((await send({ ...mounted, prefix: '/aimodels' }, get(''))).status).toBe(hostAnswer.status)
  })

  it('names the request and takes its log line', async () => {
    const lines: [fields: object, message?: string][] = []
    const write = (...line: [object, string?]) => void lines.push(line)
    const log: Logger = { debug: write, info: write, warn: write, error: write }
    const router = routerOver([await answering()])
    const mounted = await mount.serve(router, { id: 'hosts-own-17', log, identify: () => ({ user: 'u1' }) })

    const answer = await send(mounted, { body: chat() })

    expect(answer.headers['x-request-id']).toBe('hosts-own-17')
    expect(lines).toEqual([
      [
        expect.objectContaining({ id: 'hosts-own-17', route: 'auto', model: 'first', outcome: 'ok', user: 'u1' }),
        'call answered',
      ],
    ])
  })

  it('has its request id overruled by the one of the caller', async () => {
    const mounted = await mount.serve(routerOver([await answering()]), { id: 'hosts-own-17' })

    const answer = await send(mounted, { body: chat(), headers: { 'x-request-id': 'callers-own' } })

    expect(answer.headers['x-request-id']).toBe('callers-own')
  })

  it("has its parser's refusal of a large body told in the router's words", async () => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]), { parserLimit: '10kb' })

    const answer = await send(mounted, { body: chat({ padding: 'x'.repeat(20_000) }) })

    expect(answer.status).toBe(413)
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'x-request-id': expect.any(String) })
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'request_too_large', param: null })
    expect(upstream.requests).toHaveLength(0)
    expect(mounted.hostErrors).toEqual([])
  })

  it("has its parser's refusal of broken JSON told in the router's words", async () => {
    const mounted = await mount.serve(routerOver([await answering()]), { parserLimit: '10kb' })

    const answer = await send(mounted, { body: '{"model": "auto",' })

    expect(answer.status).toBe(400)
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_json', param: null })
  })
})

describe.each(mounts.filter(({ name }) => name === 'listener'))('the plain $name', (mount) => {
  it('answers unknown paths with 404, as nothing stands behind it', async () => {
    const answer = await send(await mount.serve(routerOver([await answering()])), get('/unknown'))

    expect(answer.status).toBe(404)
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'not_found' })
  })
})

describeHosts('a body', (mount) => {
  it.each([
    { how: 'says its length', headers: {} },
    { how: 'comes in chunks', headers: { 'transfer-encoding': 'chunked', 'content-length': [] } },
  ])('over the limit is a 413 when it $how, and the connection is closed', async ({ headers }) => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream], { maxRequestBytes: 10_000 }))

    const answer = await send(mounted, { body: chat({ padding: 'x'.repeat(200_000) }), headers })

    expect(answer.status).toBe(413)
    expect(answer.headers.connection).toBe('close')
    expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', code: 'request_too_large', param: null })
    expect(upstream.requests).toHaveLength(0)
  })

  it.each(['null', '42', 'false', '"auto"', '[]', ''])(
    "that is %j is the caller's mistake behind a parser that takes more than objects, too",
    async (body) => {
      const mounted = await mount.serve(routerOver([await answering()]), { parserLimit: '1mb', parserTakesAll: true })

      const answer = await send(mounted, { body })

      expect(answer.status).toBe(400)
      expect(answer.json().error.type).toBe('invalid_request_error')
    },
  )

  it('that is compressed is told as what it is where nothing unpacks it, and read behind a parser that does', async () => {
    const packed = { body: gzipSync(JSON.stringify(chat())), headers: { 'content-encoding': 'gzip' } }
    const router = routerOver([await answering()])

    const answer = await send(await mount.serve(router), packed)
    const parsed = await send(await mount.serve(router, { parserLimit: '1mb' }), packed)

    expect(answer.status).toBe(400)
    expect(answer.json().error).toMatchObject({ code: 'invalid_body', message: expect.stringContaining('gzip') })
    expect(parsed.status).toBe(mount.name === 'listener' ? 400 : 200)
  })

  it('of 10 MB goes through untuned', async () => {
    const upstream = await answering()
    const body = chat({ messages: [{ role: 'user', content: 'é'.repeat(5 * 1024 * 1024) }] })

    const answer = await send(await mount.serve(routerOver([upstream])), { body })

    expect(answer.status).toBe(200)
    expect(upstream.requests[0]!.body.toString()).toBe(JSON.stringify({ ...body, model: 'gpt-4.1' }))
  })

  it('of 10 MB comes back untuned', async () => {
    const content = 'é'.repeat(5 * 1024 * 1024)
    const router = routerOver([await upstreamThat(completion({ content }))])

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.json().choices[0].message.content === content).toBe(true)
  })

  it('that was read by somebody else and not kept is told as what it is, and does not hang', async () => {
    const mounted = await mount.serve(routerOver([await answering()]), { consumesBody: true })

    const answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(500)
    expect(answer.headers['x-should-retry']).toBe('false')
    expect(answer.json().error).toMatchObject({ type: 'configuration_error', code: 'body_consumed' })
    expect(answer.json().error.message).toContain('req.body')
  })
})

const identify = async () => ({ user: 'u1', tier: 'free', routes: ['first'] })

describeHosts('an identity', (mount) => {
  it('may use what is on its list', async () => {
    const router = routerOver([await answering()])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router, { identify }), { body: chat({ model: 'first' }) })

    expect(answer.status).toBe(200)
    expect(told[0]!.payload.record.identity).toEqual({ user: 'u1', tier: 'free', routes: ['first'] })
  })

  it('may use nothing else, and sees nothing else', async () => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]), { identify })

    const answer = await send(mounted, { body: chat({ model: 'auto' }) })

    expect(answer.status).toBe(403)
    expect(answer.json().error).toMatchObject({ type: 'permission_error', code: 'route_not_allowed', param: 'model' })
    expect((await send(mounted, get('/models'))).json().data).toHaveLength(1)
    expect((await send(mounted, get('/models/auto'))).status).toBe(404)
    expect(upstream.requests).toHaveLength(0)
  })

  it('is never taken from headers or body', async () => {
    const router = routerOver([await answering()])
    const told = listenTo(router)

    await send(await mount.serve(router), {
      body: chat({ user: 'admin', identity: { user: 'admin' } }),
      headers: { 'x-user': 'admin', 'x-signalbox-user': 'admin', authorization: 'Bearer admin' },
    })

    expect(told[0]!.payload.record.identity).toEqual({})
  })

  it.each([
    { status: 401, type: 'authentication_error', code: 'unauthenticated' },
    { status: 403, type: 'permission_error', code: 'forbidden' },
    { status: 500, type: 'server_error', code: 'internal_error' },
  ])('that the host refuses with $status is answered with $status', async ({ status, type, code }) => {
    const upstream = await answering()
    const refuse = () => {
      throw Object.assign(new Error('SELECT * FROM sessions'), { status })
    }
    const mounted = await mount.serve(routerOver([upstream]), { identify: refuse })

    const answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(status)
    expect(answer.json().error).toMatchObject({ type, code })
    expect(answer.text).not.toContain('SELECT')
    expect(upstream.requests).toHaveLength(0)
    expect((await send(mounted, get('/models'))).status).toBe(status)
  })
})

const noting = (name: string, noted: string[], place: object) =>
  definePlugin({
    name,
    call: {
      ...place,
      run: (call, next) => {
        noted.push(name)
        return next(call)
      },
    },
  })

describeHosts('a fault that is not the caller’s', (mount) => {
  const failing = (message: string) => () => {
    throw new TypeError(message)
  }

  it.each([
    { of: 'identify', mounted: { identify: failing('no req.user') }, plugins: [] },
    { of: 'a plugin', mounted: {}, plugins: [definePlugin({ name: 'broken', call: failing('no req.user') })] },
  ])('of $of is told to the logger with its cause, and to the caller without', async ({ mounted, plugins }) => {
    const told: { readonly err?: Error; readonly message: string }[] = []
    const write = (fields: object, message = '') => void told.push({ ...fields, message })
    const logger = { debug: write, info: write, warn: write, error: write }
    const router = routerOver([await answering()], { plugins, logger })

    const answer = await send(await mount.serve(router, mounted), { body: chat() })

    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('no req.user')
    expect(told).toHaveLength(1)
    expect(told[0]!.err).toMatchObject({ message: told[0]!.message, cause: new TypeError('no req.user') })
  })

  it('in the middle of a stream is told to the logger, and ends it with an error event', async () => {
    const told: unknown[] = []
    const quiet = () => undefined
    const logger = { debug: quiet, info: quiet, warn: quiet, error: (fields: object) => void told.push(fields) }
    const breaking = definePlugin({
      name: 'breaking',
      call: async (call, next) => ({ ...(await next(call)), body: streamOf(broken()) }),
    })
    async function* broken() {
      yield Buffer.from('data: {}\n\n')
      throw new TypeError('no such piece')
    }
    const router = routerOver([await answering()], { plugins: [breaking], logger })

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.text).toMatch(/^data: \{\}\n\ndata: \{"error".*plugin_failed/)
    expect(answer.text).not.toContain('no such piece')
    expect(told).toMatchObject([{ err: { plugin: 'breaking', cause: new TypeError('no such piece') } }])
  })
})

describeHosts('the order of plugins', (mount) => {
  it('is stage, then enforce, then before and after, then registration', async () => {
    const noted: string[] = []
    const plugins = [
      noting('admitting', noted, { stage: 'admit' }),
      noting('late guard', noted, { stage: 'guard', enforce: 'post' }),
      noting('second guard', noted, { stage: 'guard' }),
      noting('first guard', noted, { stage: 'guard', before: 'second guard' }),
      noting('last of the plain guards', noted, { stage: 'guard', after: 'second guard' }),
      noting('early guard', noted, { stage: 'guard', enforce: 'pre' }),
      noting('observing', noted, { stage: 'observe' }),
      noting('outermost', noted, {}),
    ]
    const router = routerOver([await answering()], { plugins })

    await send(await mount.serve(router), { body: chat() })

    const inOrder = [
      'outermost',
      'observing',
      'early guard',
      'first guard',
      'second guard',
      'last of the plain guards',
      'late guard',
      'admitting',
    ]
    expect(noted).toEqual(inOrder)
    expect(router.order.map(({ plugin }) => plugin).filter((name) => inOrder.includes(name))).toEqual(inOrder)
  })

  it('puts the hooks of an attempt inside the retry, and those before it outside', async () => {
    const noted: string[] = []
    const note = (name: string, stage: 'retry' | 'meter', enforce: 'pre' | 'post') =>
      definePlugin({
        name,
        attempt: {
          stage,
          enforce,
          run: (attempt, next) => {
            noted.push(`${name} ${attempt.number}`)
            return next(attempt)
          },
        },
      })
    const upstream = await upstreamThat(inTurn(jsonError(500), completion({ content: 'an answer' })))
    const router = routerOver([upstream], {
      plugins: [note('inside', 'meter', 'post'), note('outside', 'retry', 'pre')],
    })

    await send(await mount.serve(router), { body: chat() })

    expect(noted).toEqual(['outside 1', 'inside 1', 'inside 2'])
  })
})

it('a host that kept the bytes may use their memory again once the answer has begun', async () => {
  const gate = closedGate()
  const [role, content] = streamEvents({ content: ['Hello'] }) as [string, string]
  const upstream = await upstreamThat([streamHead(), chunk(role), chunk(content), waitFor(gate.opened), reset()])
  const router = routerOver([upstream])
  const told = listenTo(router)
  const answerBy = listener(router)
  async function answerFromReusedMemory(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const rawBody = Buffer.concat(await collect<Buffer>(req))
    answerBy(Object.assign(req, { rawBody }), res)
    await eventually(() => told.some(({ event }) => event === 'attempt.started') && res.headersSent)
    rawBody.fill(0)
    gate.open()
  }
  const server = createServer((req, res) => void answerFromReusedMemory(req, res)).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')

  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(chat({ stream: true })),
    signal: AbortSignal.timeout(5_000),
  })

  expect(await answer.text()).toContain('stream_interrupted')
  expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({
    ended: { how: 'cut', estimated: true },
  })
})
