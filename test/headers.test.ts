import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { type Logger, exportJsonl } from '@signalbox/core'
import {
  chunk,
  completion,
  errorBody,
  jsonError,
  lastChunk,
  reply,
  type Script,
  sse,
  stream,
  streamEvents,
  streamHead,
} from '@signalbox/testkit'
import { type Answer, chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { listenTo, providerKey, routerOver, upstreamThat } from './support/routers.ts'

const secretHeader = 'tenant-3bZ9qLw7Xc2Vn8'

const callersOwn = {
  authorization: 'Bearer callers-own-key',
  cookie: 'session=abc',
  'proxy-authorization': 'Basic abc',
  'x-api-key': 'callers-own-key',
  'api-key': 'callers-own-key',
  'x-forwarded-for': '10.0.0.1',
  'x-forwarded-host': 'evil.example',
  'x-custom-host': 'http://evil.example',
  'x-portkey-custom-host': 'http://evil.example',
  'x-signalbox-host': 'http://evil.example',
  'openai-organization': 'org-callers',
  'x-internal-user': '42',
  'x-stainless-os': 'Linux',
  origin: 'https://app.example',
  referer: 'https://app.example/chat',
  'accept-language': 'vi',
}

const passedOn = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=1' }

const neverDown = {
  'set-cookie': 'provider=1',
  'x-provider-secret': providerKey,
  'openai-organization': 'org-ours',
  'x-ratelimit-limit-requests': '500',
  server: 'provider/1.0',
  via: '1.1 internal.provider.example',
  'access-control-allow-origin': '*',
  'strict-transport-security': 'max-age=1',
  'x-request-id': 'req_providers-own',
  'x-should-retry': 'true',
  link: '<https://internal>; rel=next',
}

describeMounts("the caller's headers", (mount) => {
  it.each([{ streamed: false }, { streamed: true }])(
    'do not reach the provider but for those on the list (stream: $streamed)',
    async ({ streamed }) => {
      const upstream = await upstreamThat(
        streamed ? stream(streamEvents({ content: ['a'] })) : completion({ content: 'a' }),
      )
      const router = routerOver([upstream], { model: { headers: { 'X-Tenant': secretHeader } } })

      await send(await mount.serve(router), {
        body: chat({ stream: streamed }),
        headers: { ...callersOwn, ...passedOn, 'openai-beta': 'assistants=v2' },
      })

      const { 'content-length': _, ...headers } = upstream.requests[0]!.headers
      expect(headers).toEqual({
        host: `127.0.0.1:${upstream.port}`,
        connection: 'keep-alive',
        accept: streamed ? 'text/event-stream' : 'application/json',
        'accept-encoding': 'identity',
        authorization: `Bearer ${providerKey}`,
        'content-type': 'application/json',
        'user-agent': 'signalbox',
        'x-tenant': secretHeader,
        'openai-beta': 'assistants=v2',
        ...passedOn,
      })
    },
  )
})

describeMounts("the provider's headers", (mount) => {
  const ours = {
    'content-type': expect.any(String),
    'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/),
    'x-signalbox-model': 'first',
    'x-signalbox-route': 'auto',
    'x-signalbox-attempts': '1',
    date: expect.any(String),
    connection: 'keep-alive',
    'keep-alive': expect.any(String),
  }

  it.each<{ what: string; script: Script; status: number; body?: object; headers: object }>([
    {
      what: 'a plain answer',
      script: completion(
        { content: 'a' },
        { ...neverDown, 'openai-processing-ms': 12, 'openai-version': '2020-10-01' },
      ),
      status: 200,
      headers: {
        'content-length': expect.any(String),
        'cache-control': 'no-store',
        'openai-processing-ms': '12',
        'openai-version': '2020-10-01',
      },
    },
    {
      what: 'a stream',
      script: stream(streamEvents({ content: ['a'] }), neverDown),
      status: 200,
      body: { stream: true },
      headers: {
        'transfer-encoding': 'chunked',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
      },
    },
    {
      what: 'an error that is passed on',
      script: jsonError(400, {}, neverDown),
      status: 400,
      headers: { 'content-length': expect.any(String), 'cache-control': 'no-store' },
    },
    {
      what: 'an error of our own making',
      script: jsonError(401, {}, neverDown),
      status: 502,
      headers: { 'content-length': expect.any(String), 'cache-control': 'no-store', 'x-should-retry': 'false' },
    },
  ])('do not reach the caller of $what but for those on the list', async ({ script, status, body, headers }) => {
    const router = routerOver([await upstreamThat(script)], { retry: false })

    const answer = await send(await mount.serve(router), { body: chat(body) })

    expect(answer.status).toBe(status)
    expect(answer.headers).toEqual({ ...ours, ...headers })
  })
})

describeMounts('decision headers', (mount) => {
  it('can be turned off', async () => {
    const router = routerOver([await upstreamThat(completion({ content: 'a' }))], { decisionHeaders: false })

    const { headers } = await send(await mount.serve(router), { body: chat() })

    expect(Object.keys(headers).filter((name) => name.startsWith('x-signalbox'))).toEqual([])
  })

  it('name the last model that was tried when all fail', async () => {
    const failing = jsonError(503, { code: 'server_is_overloaded' })
    const router = routerOver([await upstreamThat(failing), await upstreamThat(failing)], { retry: false })

    const { headers } = await send(await mount.serve(router), { body: chat() })

    expect(headers).toMatchObject({
      'x-signalbox-model': 'second',
      'x-signalbox-route': 'auto',
      'x-signalbox-attempts': '2',
    })
  })
})

describeMounts('the request id', (mount) => {
  it("is the caller's where that is sane", async () => {
    const router = routerOver([await upstreamThat(completion({ content: 'a' }))])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat(), headers: { 'x-request-id': 'callers-7' } })

    expect(answer.headers['x-request-id']).toBe('callers-7')
    expect(told.find(({ event }) => event === 'call.started')!.payload.record.id).toBe('callers-7')
  })

  it.each(['with spaces', '<script>', 'a'.repeat(201), 'a\tb', 'two, ids'])(
    'is a new one where the caller sends %j',
    async (id) => {
      const router = routerOver([await upstreamThat(completion({ content: 'a' }))])

      const { headers } = await send(await mount.serve(router), { body: chat(), headers: { 'x-request-id': id } })

      expect(headers['x-request-id']).toMatch(/^[\da-f]{8}-[\da-f-]{27}$/)
    },
  )

  it.each([
    { what: 'an error', sent: { body: '{' } },
    { what: 'a list of models', sent: { method: 'GET', path: '/models' } },
    { what: 'a wrong method', sent: { method: 'DELETE', path: '/models' } },
  ])('stands on $what too', async ({ sent }) => {
    const router = routerOver([await upstreamThat(completion({ content: 'a' }))])

    const { headers } = await send(await mount.serve(router), { ...sent, headers: { 'x-request-id': 'callers-7' } })

    expect(headers['x-request-id']).toBe('callers-7')
  })
})

/** Every part of a secret that is long enough to give it away. */
const telling = (secret: string) => Array.from({ length: secret.length - 11 }, (_, at) => secret.slice(at, at + 12))

const secretParts = [providerKey, secretHeader].flatMap(telling)
const leaks = (text: string) => secretParts.filter((part) => text.includes(part))

describeMounts('a key that the provider echoes', (mount) => {
  const said = `Incorrect API key provided: ${providerKey} for tenant ${secretHeader}; also ${providerKey.slice(0, 20)}***.`
  const echo = errorBody({ message: said, type: 'invalid_request_error', code: 'invalid_api_key' })
  const headers = { 'x-echo': providerKey, 'retry-after': `soon ${providerKey}` }
  const [role, first] = streamEvents({ content: ['Hel'] }) as [string, string]

  it.each<{ where: string; script: Script; streamed?: boolean; status: number }>([
    { where: 'a 401', script: jsonError(401, { message: said }, headers), status: 502 },
    {
      where: 'a 400',
      script: jsonError(400, { message: said, code: providerKey, param: secretHeader }, headers),
      status: 400,
    },
    { where: 'a 404', script: jsonError(404, { message: said, type: providerKey }, headers), status: 502 },
    { where: 'a 429', script: jsonError(429, { message: said }, headers), status: 429 },
    { where: 'a 500', script: jsonError(500, { message: said }, headers), status: 500 },
    { where: 'a 500 that is no JSON', script: reply({ status: 500, headers, body: said }), status: 502 },
    {
      where: 'a 302',
      script: reply({ status: 302, headers: { location: `http://127.0.0.1:1/${providerKey}` } }),
      status: 502,
    },
    {
      where: 'a 200 with an error',
      script: jsonError(200, { message: said, type: 'server_error' }, headers),
      status: 500,
    },
    { where: 'a 200 that is no answer', script: reply({ body: `<html>${said}</html>` }), status: 502 },
    { where: 'the first event of a stream', script: stream([sse(echo)]), streamed: true, status: 502 },
    {
      where: 'every field of the first event of a stream',
      script: stream([sse(errorBody({ message: said, type: providerKey, code: secretHeader }))]),
      streamed: true,
      status: 502,
    },
    {
      where: 'an error event in the middle of a stream',
      script: [streamHead(headers), chunk(role), chunk(first), chunk(sse(echo)), lastChunk()],
      streamed: true,
      status: 200,
    },
  ])(
    'is in no answer, header, event, log, error, record and row of the ledger: $where',
    async ({ script, streamed = false, status }) => {
      const logged: unknown[] = []
      const log = (...line: unknown[]) => void logged.push(line)
      const logger: Logger = { debug: log, info: log, warn: log, error: log }
      const upstream = await upstreamThat(script)
      const model = { headers: { 'x-tenant': secretHeader } }
      const router = routerOver([upstream], { model, logger, ledger: 'memory', retry: false })
      const told = listenTo(router)
      const mounted = await mount.serve(router)

      const answer: Answer = await send(mounted, { body: chat({ stream: streamed }) })
      const thrown: unknown = await router.handle({ body: chat({ stream: streamed }) }).catch((error: unknown) => error)

      expect(upstream.requests[0]!.headers.authorization).toBe(`Bearer ${providerKey}`)
      expect(answer.status).toBe(status)
      expect(leaks(answer.text)).toEqual([])
      expect(leaks(JSON.stringify(answer.headers))).toEqual([])
      const book = router.ledger!
      const written = [...exportJsonl(book.attempts()), ...book.calls()]
      expect(written.length).toBeGreaterThan(2)
      const everything = [told, logged, thrown, router, mounted.hostErrors, written]
      expect(
        leaks(inspect(everything, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null })),
      ).toEqual([])
      expect(leaks(JSON.stringify(everything))).toEqual([])
      expect(told.length).toBeGreaterThan(2)
      expect(logged.length).toBeGreaterThan(0)
    },
  )

  it('is in neither util.inspect nor JSON of the router and its plan for a call', async () => {
    const router = routerOver([await upstreamThat(completion({ content: 'a' }))], {
      model: { headers: { 'x-tenant': secretHeader } },
    })

    const shown = [router, await router.explain({ body: chat() }), router.order]

    expect(leaks(inspect(shown, { depth: 20, showHidden: true }))).toEqual([])
    expect(leaks(JSON.stringify(shown))).toEqual([])
  })
})
