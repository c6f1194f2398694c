import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { completion, hang, jsonError, stream, streamEvents } from '@signalbox/testkit'
import { type Sent, chat, send, sendRaw } from '../support/caller.ts'
import { describeMounts } from '../support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from '../support/routers.ts'

const answering = () => upstreamThat(completion({ content: 'an answer' }))

/** A request that is refused before any model is asked. */
interface Refused {
  readonly number: number
  readonly title: string
  readonly sent: Sent
  readonly status: number
  readonly code: string
  readonly param?: string
}

const invalid = { status: 400, code: 'invalid_json' }
const wrong = { status: 400, code: 'invalid_body' }
const noModel = { ...wrong, param: 'model' }
const unknown = { status: 404, code: 'model_not_found', param: 'model' }

const refused: readonly Refused[] = [
  { number: 60, title: 'broken JSON', sent: { body: '{"model":"auto",' }, ...invalid },
  { number: 60, title: 'an empty body', sent: { body: '' }, ...invalid },
  { number: 60, title: 'no body', sent: {}, ...invalid },
  { number: 60, title: 'bytes that are no UTF-8', sent: { body: Buffer.from([0xff, 0xfe, 0x00, 0x7b]) }, ...invalid },
  { number: 60, title: 'JSON and more behind it', sent: { body: '{"model":"auto"}{}' }, ...invalid },
  { number: 60, title: 'null', sent: { body: 'null' }, ...wrong },
  { number: 60, title: 'an array', sent: { body: '[]' }, ...wrong },
  { number: 60, title: 'a string', sent: { body: '"auto"' }, ...wrong },
  { number: 60, title: 'a number', sent: { body: '42' }, ...wrong },
  { number: 62, title: 'an unknown model', sent: { body: chat({ model: 'nobody' }) }, ...unknown },
  { number: 63, title: 'no model', sent: { body: { messages: [] } }, ...noModel },
  { number: 63, title: 'a model that is an object', sent: { body: chat({ model: { name: 'auto' } }) }, ...noModel },
  { number: 63, title: 'a model that is an array', sent: { body: chat({ model: ['auto'] }) }, ...noModel },
  { number: 63, title: 'a model that is a number', sent: { body: chat({ model: 1 }) }, ...noModel },
  { number: 63, title: 'a model of 10 kB', sent: { body: chat({ model: 'a'.repeat(10_000) }) }, ...unknown },
  { number: 63, title: 'a model with a line end', sent: { body: chat({ model: 'auto\r\nx-evil: 1' }) }, ...unknown },
  { number: 63, title: 'the model __proto__', sent: { body: chat({ model: '__proto__' }) }, ...unknown },
  { number: 63, title: 'the model constructor', sent: { body: chat({ model: 'constructor' }) }, ...unknown },
  { number: 63, title: 'the model toString', sent: { body: chat({ model: 'toString' }) }, ...unknown },
]

describeMounts('requests that are refused', (mount) => {
  it.each(refused)('case $number: $title', async ({ sent, status, code, param = null }) => {
    const upstream = await answering()
    const router = routerOver([upstream])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), sent)

    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.json()).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param, code },
    })
    expect(answer.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
    expect(answer.headers['x-evil']).toBeUndefined()
    expect(answer.body.length).toBeLessThan(500)
    expect(upstream.requests).toHaveLength(0)
    expect(told).toEqual([])
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it('case 62: a name is told in quotes, its line ends and colours escaped', async () => {
    const name = 'a\u001b[31m\r\n"<script>'

    const answer = await send(await mount.serve(routerOver([await answering()])), { body: chat({ model: name }) })

    expect(answer.json().error.message).toContain(JSON.stringify(name))
    expect(hasControls(answer.json().error.message)).toBe(false)
  })
})

/** Requests that are odd, and none of our business: they go to the provider as they are. */
const passedOn: readonly { readonly number: number; readonly title: string; readonly body: object }[] = [
  { number: 64, title: 'no messages', body: { model: 'auto' } },
  { number: 64, title: 'messages that are a string', body: chat({ messages: 'hello' }) },
  { number: 64, title: 'messages that are null', body: chat({ messages: null }) },
  {
    number: 64,
    title: 'messages of every wrong kind',
    body: chat({ messages: [null, 1, 'a', [], { role: 1, content: 2 }] }),
  },
  { number: 64, title: 'content that is null', body: chat({ messages: [{ role: 'assistant', content: null }] }) },
  {
    number: 64,
    title: 'content of odd parts',
    body: chat({
      messages: [{ role: 'user', content: [null, 1, { type: 'text' }, { type: 'image_url', image_url: 3 }] }],
    }),
  },
  { number: 68, title: 'n of 10,000', body: chat({ n: 10_000 }) },
  { number: 68, title: 'max_tokens beyond 31 bits', body: chat({ max_tokens: 2 ** 31 }) },
  { number: 68, title: 'negative numbers', body: chat({ n: -1, max_tokens: -5, temperature: -1 }) },
  { number: 68, title: 'numbers that are strings', body: chat({ n: 'many', max_tokens: 'all', stream: 'yes' }) },
  {
    number: 64,
    title: 'tools that are none',
    body: chat({ tools: [null, 'a', { function: 1 }], stop: [1, null], response_format: 7 }),
  },
]

describeMounts('requests that are passed on as they are', (mount) => {
  it.each(passedOn)('case $number: $title', async ({ body }) => {
    const upstream = await answering()

    const answer = await send(await mount.serve(routerOver([upstream])), { body })

    expect(answer.status).toBe(200)
    expect(upstream.requests[0]!.json()).toEqual({ ...body, model: 'gpt-4.1' })
  })
})

/** How long the event loop may stand still: 100 ms, and more where the whole suite shares two cores. */
const longestPauseMs = 1_000

describeMounts('bodies made to hurt', (mount) => {
  it.each([
    {
      title: '__proto__ as a field',
      body: '{"model":"auto","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    },
    { title: '20,000 levels of nesting', body: `{"model":"auto","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}` },
    {
      title: '20,000 fields',
      body: `{"model":"auto"${Array.from({ length: 20_000 }, (_, index) => `,"k${index}":${index}`).join('')}}`,
    },
    { title: 'a text of escapes', body: `{"model":"auto","x":"${'\\\\\\"'.repeat(300_000)}"}` },
    { title: 'the model named 10,000 times', body: `{${'"model":"nobody",'.repeat(10_000)}"model":"auto"}` },
  ])('case 65: $title', async ({ body }) => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]))
    const pauses: number[] = []
    let last = performance.now()
    const ticking = setInterval(() => {
      pauses.push(performance.now() - last)
      last = performance.now()
    }, 5)

    const answer = await send(mounted, { body })
    clearInterval(ticking)

    expect(answer.status).toBe(200)
    expect(
      upstream.requests[0]!.body.toString() ===
        body.replaceAll('"model":"auto"', '"model":"gpt-4.1"').replaceAll('"nobody"', '"gpt-4.1"'),
    ).toBe(true)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(Math.max(0, ...pauses)).toBeLessThan(longestPauseMs)
  })

  it('case 65: 1,000,000 fields, at the top or further in, are refused before they are read', async () => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]))
    const fields = Array.from({ length: 1_000_000 }, (_, index) => `"k${index}":1`).join(',')
    for (const body of [`{"model":"auto",${fields}}`, `{"model":"auto","metadata":[{${fields}}]}`]) {
      const answer = await send(mounted, { body })
      expect(answer.status).toBe(400)
      expect(answer.json().error).toMatchObject({
        type: 'invalid_request_error',
        code: 'invalid_body',
        message: 'The request body has more than 50000 fields',
      })
    }
    expect(upstream.requests).toHaveLength(0)
  })
})

describeMounts('a deadline', (mount) => {
  const timeIsUp = { type: 'upstream_error', code: 'deadline_exceeded', param: null }

  it.each([
    { title: 'of the configuration', options: { timeouts: { callMs: 400 } }, headers: {} },
    { title: 'of the caller, in milliseconds', options: {}, headers: { 'x-request-timeout': '400ms' } },
    { title: 'of the caller, in seconds', options: {}, headers: { 'x-request-timeout': '0.4' } },
  ])('case 58: $title holds over all attempts', async ({ options, headers }) => {
    const first = await upstreamThat(hang())
    const second = await upstreamThat(hang())
    const router = routerOver([first, second], { first: { timeouts: { answerMs: 60 } }, ...options })
    const startedMs = performance.now()

    const answer = await send(await mount.serve(router), { body: chat(), headers })

    expect(answer.status).toBe(504)
    expect(answer.json().error).toMatchObject(timeIsUp)
    expect(answer.headers['x-signalbox-attempts']).toBe('2')
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    await eventually(() => first.openConnections() + second.openConnections() === 0)
  })

  it('case 58: a wait that would outlast the call is not begun', async () => {
    const upstream = await upstreamThat(jsonError(429, { code: 'rate_limit_exceeded' }, { 'retry-after': 2 }))
    const router = routerOver([upstream], { timeouts: { callMs: 1_000 } })
    const startedMs = performance.now()

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBe(429)
    expect(performance.now() - startedMs).toBeLessThan(1_900)
    expect(upstream.requests).toHaveLength(1)
  })

  it('case 58: a caller cannot lengthen what the configuration says', async () => {
    const router = routerOver([await upstreamThat(hang())], { timeouts: { callMs: 80 } })

    const answer = await send(await mount.serve(router), { body: chat(), headers: { 'x-request-timeout': '3600' } })

    expect(answer.status).toBe(504)
  })

  it.each(['soon', '-1', '0', '', '1e9', 'NaN'])('case 58: a timeout of %j is ignored', async (value) => {
    const answer = await send(await mount.serve(routerOver([await answering()])), {
      body: chat(),
      headers: { 'x-request-timeout': value },
    })

    expect(answer.status).toBe(200)
  })
})

const bodyText = JSON.stringify(chat())
const head = (path: string, ...lines: string[]) =>
  [`POST ${path}/chat/completions HTTP/1.1`, 'host: a', 'content-type: application/json', ...lines, '', ''].join('\r\n')
const good = (path: string, ...lines: string[]) => head(path, `content-length: ${bodyText.length}`, ...lines) + bodyText

describeMounts('the wire', (mount) => {
  it.each([
    {
      title: 'content-length and chunked together',
      lines: ['content-length: 5', 'transfer-encoding: chunked'],
      body: '0\r\n\r\n',
    },
    { title: 'two content-lengths', lines: ['content-length: 5', 'content-length: 6'], body: 'hello!' },
    { title: 'a chunk that is none', lines: ['transfer-encoding: chunked'], body: 'zz\r\nhello\r\n' },
    { title: 'a header of 100 kB', lines: [`x-big: ${'a'.repeat(100_000)}`, 'content-length: 0'], body: '' },
    { title: 'a line end inside of a header', lines: ['x-a: b\rx-evil: 1', 'content-length: 0'], body: '' },
  ])('case 70: $title is refused by the server, and others are not disturbed', async ({ lines, body }) => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]))

    const raw = await sendRaw(mounted, head(mounted.prefix, ...lines) + body)

    expect(raw).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(upstream.requests).toHaveLength(0)
    expect((await send(mounted, { body: chat() })).status).toBe(200)
  })

  it('case 70: a request that never ends does not keep others waiting', async () => {
    const mounted = await mount.serve(routerOver([await answering()]))
    const slow = connect(mounted.port, '127.0.0.1')
    slow.on('error', () => undefined)
    slow.write(good(mounted.prefix).slice(0, -20))

    expect((await send(mounted, { body: chat() })).status).toBe(200)
    slow.destroy()
  })

  it('case 71: expect: 100-continue is answered, and the call too', async () => {
    const mounted = await mount.serve(routerOver([await answering()]))
    const lines = [`content-length: ${bodyText.length}`, 'expect: 100-continue', 'connection: close']

    const raw = await sendRaw(mounted, [head(mounted.prefix, ...lines), bodyText])

    expect(raw).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(raw).toContain('an answer')
  })

  it('case 71: a chunked request is read', async () => {
    const upstream = await answering()
    const mounted = await mount.serve(routerOver([upstream]))
    const chunks = [bodyText.slice(0, 5), bodyText.slice(5)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`)

    const raw = await sendRaw(mounted, [
      head(mounted.prefix, 'transfer-encoding: chunked', 'connection: close'),
      ...chunks,
      '0\r\n\r\n',
    ])

    expect(raw).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(upstream.requests[0]!.json()).toEqual({ ...chat(), model: 'gpt-4.1' })
  })

  it('case 71: a request by its whole URL, as clients of a proxy send it, is served', async () => {
    const mounted = await mount.serve(routerOver([await answering()]))
    const asked = good(`http://a.example:8080${mounted.prefix}`, 'connection: close')

    expect(await sendRaw(mounted, asked)).toMatch(/^HTTP\/1\.1 200 OK[^]*an answer/)
  })

  it('case 71: HTTP/1.0 is served, plain and streamed', async () => {
    const upstream = await upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream
        ? stream(streamEvents({ content: ['a stream'] }))
        : completion({ content: 'an answer' }),
    )
    const mounted = await mount.serve(routerOver([upstream]))
    const streamed = JSON.stringify(chat({ stream: true }))
    const asked = (body: string) =>
      `${head(mounted.prefix, `content-length: ${body.length}`).replace('HTTP/1.1', 'HTTP/1.0')}${body}`

    expect(await sendRaw(mounted, asked(bodyText))).toMatch(/^HTTP\/1\.1 200 OK[^]*an answer/)
    expect(await sendRaw(mounted, asked(streamed))).toMatch(/^HTTP\/1\.1 200 OK[^]*a stream[^]*\[DONE\]\n\n$/)
  })

  it('case 71: pipelined requests are answered in their order', async () => {
    const upstream = await upstreamThat((request) => {
      const { seed } = request.json() as { seed: number }
      return completion({ content: `answer ${seed}` })
    })
    const mounted = await mount.serve(routerOver([upstream]))
    const asked = [1, 2, 3].map((seed) => {
      const body = JSON.stringify(chat({ seed }))
      return head(mounted.prefix, `content-length: ${body.length}`, ...(seed === 3 ? ['connection: close'] : [])) + body
    })

    const raw = await sendRaw(mounted, asked.join(''))

    expect(raw.match(/answer \d/g)).toEqual(['answer 1', 'answer 2', 'answer 3'])
  })

  it('case 66: without a limit of its own a router takes 32 MiB, and no byte more', async () => {
    const mounted = await mount.serve(routerOver([await answering()]))
    const sent = (bytes: number) =>
      sendRaw(mounted, head(mounted.prefix, `content-length: ${bytes}`, 'connection: close'))

    expect(await sent(32 * 1024 ** 2 + 1)).toMatch(/^HTTP\/1\.1 413 /)
    const upTo = await send(mounted, { body: chat({ pad: 'x'.repeat(32 * 1024 ** 2 - 200) }) })
    expect(upTo.status).toBe(200)
  })

  it('case 66: a request that is refused for its size does not block the connection for ever', async () => {
    const mounted = await mount.serve(routerOver([await answering()], { maxRequestBytes: 1_000 }))

    const raw = await sendRaw(mounted, [head(mounted.prefix, 'content-length: 1000000'), 'x'.repeat(100_000)])

    expect(raw).toMatch(/^HTTP\/1\.1 413 /)
    expect(raw.toLowerCase()).toContain('connection: close')
  })
})

describeMounts('fields that look like instructions', (mount) => {
  it('case 86: are data: they reach the provider, and nothing else is asked', async () => {
    const upstream = await answering()
    const elsewhere = await answering()
    const hostile = {
      api_base: elsewhere.baseUrl,
      base_url: elsewhere.baseUrl,
      baseUrl: elsewhere.baseUrl,
      custom_host: elsewhere.baseUrl,
      api_key: 'sk-evil',
      extra_headers: { authorization: 'Bearer evil', host: 'evil.example' },
      headers: { authorization: 'Bearer evil' },
      provider: 'openai',
    }

    await send(await mount.serve(routerOver([upstream])), {
      body: chat(hostile),
      headers: { 'x-custom-host': elsewhere.baseUrl, 'x-portkey-custom-host': elsewhere.baseUrl },
    })

    expect(upstream.requests[0]!.json()).toEqual(chat({ ...hostile, model: 'gpt-4.1' }))
    expect(upstream.requests[0]!.rawHead.toString()).not.toContain('evil')
    expect(elsewhere.connections).toHaveLength(0)
  })
})

describeMounts('what callers are told', (mount) => {
  const secretsOfTheHost =
    /127\.0\.0\.1|localhost|ECONN|ENOTFOUND|node:|node_modules|\.ts\b|\.js\b| at [\w.]+ \(|undici|\/work\//

  it.each([
    { title: 'a refused connection', upstream: async () => ({ baseUrl: 'http://127.0.0.1:9/v1' }) },
    { title: 'a host without address', upstream: async () => ({ baseUrl: 'http://secret-host.invalid/v1' }) },
    {
      title: 'a provider that is no HTTP server',
      upstream: () => upstreamThat({ name: 'x', run: ({ write }) => write('no HTTP') }),
    },
  ])('case 89: has no address, path or stack in it: $title', async ({ upstream }) => {
    const router = routerOver([await upstream()], { retry: false, timeouts: { answerMs: 300 } })

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(answer.text).not.toMatch(secretsOfTheHost)
    expect(answer.text).not.toContain('secret-host')
    expect(JSON.stringify(answer.headers)).not.toContain('secret-host')
  })

  it('case 89: the cause is there for the operator', async () => {
    const router = routerOver([{ baseUrl: 'http://127.0.0.1:9/v1' }])
    const told = listenTo(router)

    await send(await mount.serve(router), { body: chat() })

    const { error } = told.find(({ event }) => event === 'call.ended')!.payload
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })
})

/** Characters that would begin a line or a colour of their own. */
const hasControls = (text: string) => Buffer.from(text).some((byte) => byte < 0x20)
