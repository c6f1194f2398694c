import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { definePlugin, isSignalboxError } from '@signalbox/core'
import {
  bigHeader,
  bomb,
  type CertificateKind,
  chunk,
  completion,
  completionBody,
  compressed,
  createFakeClock,
  drip,
  end,
  garbage,
  halfHead,
  hang,
  head,
  html,
  informational,
  json,
  jsonError,
  lastChunk,
  obsFold,
  redirect,
  refusedPort,
  reply,
  reset,
  resetWhenReused,
  type Script,
  unresolvableHost,
  waitFor,
  write,
} from '@signalbox/testkit'
import { chat, send } from '../support/caller.ts'
import { type Fault, describeFaults } from '../support/faults.ts'
import { describeMounts } from '../support/mounts.ts'
import { closedGate, eventually, listenTo, routerOver, upstreamThat } from '../support/routers.ts'

const jsonHead = { 'content-type': 'application/json' }
const unusable = { status: 502, type: 'upstream_error', code: 'bad_upstream_response' }
const noRetry = { 'x-should-retry': 'false' }

type Unusable = Pick<Fault, 'number' | 'title' | 'upstream'> & Partial<Fault>

const bad = (reason: string, fault: Unusable): Fault => ({
  outcome: 'bad_upstream_response',
  reason,
  last: unusable,
  ...fault,
})

const secure = (kind: CertificateKind) => () => upstreamThat(completion({ content: '' }), { tls: kind })

/** An upstream that is called with https and does this instead of a handshake. */
async function overTls(script: Script) {
  const upstream = await upstreamThat([])
  upstream.onConnect(script)
  return { baseUrl: upstream.baseUrl.replace('http:', 'https:') }
}

const unreachable: readonly Fault[] = [
  {
    number: 1,
    title: 'refuses the connection',
    upstream: async () => ({ baseUrl: `http://127.0.0.1:${await refusedPort()}/v1` }),
    outcome: 'upstream_unreachable',
    last: { status: 502, type: 'upstream_error', code: 'upstream_unreachable' },
  },
  {
    number: 2,
    title: 'has no address',
    upstream: async () => ({ baseUrl: `http://${unresolvableHost}/v1` }),
    outcome: 'upstream_unreachable',
    last: { status: 502, type: 'upstream_error', code: 'upstream_unreachable' },
  },
  ...(['self-signed', 'expired', 'wrong-host'] as const).map((kind): Fault => ({
    number: 3,
    title: `has a certificate that is ${kind}`,
    upstream: secure(kind),
    outcome: 'upstream_tls',
    last: { status: 502, type: 'upstream_error', code: 'upstream_tls' },
  })),
  {
    number: 3,
    title: 'speaks no TLS where it should',
    upstream: async () => overTls(garbage()),
    outcome: 'upstream_tls',
    last: { status: 502, type: 'upstream_error', code: 'upstream_tls' },
  },
  {
    number: 3,
    title: 'never ends the handshake',
    upstream: async () => overTls(hang()),
    router: { first: { timeouts: { connectMs: 80 } } },
    outcome: 'upstream_unreachable',
    last: { status: 502, type: 'upstream_error', code: 'upstream_unreachable' },
  },
  {
    number: 4,
    title: 'resets the connection before any answer',
    upstream: reset(),
    outcome: 'upstream_reset',
    attempts: 2,
    last: { status: 502, type: 'upstream_error', code: 'upstream_reset' },
  },
  {
    number: 5,
    title: 'closes the connection before any answer',
    upstream: end(),
    outcome: 'upstream_reset',
    attempts: 2,
    last: { status: 502, type: 'upstream_error', code: 'upstream_reset' },
  },
]

const late = { status: 504, type: 'upstream_error', code: 'upstream_timeout' }
const quick = { first: { timeouts: { answerMs: 60, firstTokenMs: 60 } } }

const silent: readonly Fault[] = [
  { number: 7, title: 'says nothing', upstream: hang(), router: quick, outcome: 'upstream_timeout', last: late },
  {
    number: 7,
    title: 'stops in the middle of the head',
    upstream: [halfHead(), hang()],
    router: quick,
    outcome: 'upstream_timeout',
    last: late,
  },
  {
    number: 8,
    title: 'stops in the middle of a plain answer',
    upstream: [head(200, { ...jsonHead, 'content-length': 500 }), write('{"id":"partial"'), hang()],
    router: quick,
    outcome: 'upstream_timeout',
    last: late,
    hides: 'partial',
  },
  {
    number: 38,
    title: 'drips its answer for longer than an answer may take',
    upstream: drip(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100)}\r\n`, { everyMs: 10 }),
    router: quick,
    outcome: 'upstream_timeout',
    last: late,
  },
]

const message = 'In the words of the provider'

const refusals: readonly Fault[] = [
  ...[500, 502, 504].map((status): Fault => ({
    number: 9,
    title: `answers ${status} with an error object`,
    upstream: jsonError(status, { message, type: 'server_error', code: 'internal' }),
    outcome: 'upstream_error',
    attempts: 2,
    last: { status, type: 'server_error', code: 'internal', message },
  })),
  ...[500, 502, 504].map((status): Fault => ({
    number: 9,
    title: `answers ${status} with nothing to read`,
    upstream: reply({ status }),
    outcome: 'bad_upstream_response',
    attempts: 2,
    last: unusable,
  })),
  {
    number: 10,
    title: 'answers 503 server_is_overloaded',
    upstream: jsonError(503, { message, code: 'server_is_overloaded' }),
    outcome: 'upstream_overloaded',
    attempts: 2,
    last: { status: 503, type: 'server_error', code: 'server_is_overloaded', message },
  },
  {
    number: 10,
    title: 'answers 529',
    upstream: jsonError(529, { message, type: 'overloaded_error' }),
    outcome: 'upstream_overloaded',
    attempts: 2,
    last: { status: 529, type: 'overloaded_error', code: null, message },
  },
  {
    number: 11,
    title: 'answers 502 with a web page',
    upstream: html(502),
    outcome: 'bad_upstream_response',
    attempts: 2,
    last: unusable,
    hides: '<',
  },
  {
    number: 12,
    title: 'answers 408',
    upstream: jsonError(408, { message, code: 'request_timeout' }),
    outcome: 'upstream_error',
    attempts: 2,
    last: { status: 408, type: 'server_error', code: 'request_timeout', message },
  },
  {
    number: 17,
    title: 'answers 429 and asks for an hour',
    upstream: jsonError(429, { message, type: 'requests', code: 'rate_limit_exceeded' }, { 'retry-after': 3600 }),
    outcome: 'upstream_rate_limited',
    last: {
      status: 429,
      type: 'requests',
      code: 'rate_limit_exceeded',
      message,
      headers: { ...noRetry, 'retry-after': '3600', 'retry-after-ms': '3600000' },
    },
  },
  ...[401, 403].map((status): Fault => ({
    number: 21,
    title: `answers ${status}`,
    upstream: jsonError(status, { message: 'Incorrect API key provided: sk-hidden', code: 'invalid_api_key' }),
    outcome: 'provider_auth_failed',
    last: { status: 502, type: 'upstream_error', code: 'provider_auth_failed', headers: noRetry },
    tells: { alert: 'provider_auth' },
    hides: 'sk-hidden',
  })),
  {
    number: 22,
    title: 'answers 404 model_not_found',
    upstream: jsonError(404, { message: 'The model gpt-4.1-internal does not exist', code: 'model_not_found' }),
    outcome: 'provider_model_not_found',
    last: { status: 502, type: 'upstream_error', code: 'provider_model_not_found', headers: noRetry },
    tells: { alert: 'provider_model' },
    hides: 'gpt-4.1-internal',
  },
]

const callersOwn: readonly Fault[] = [
  { number: 23, status: 400, code: 'invalid_value' },
  { number: 24, status: 400, code: 'context_length_exceeded' },
  { number: 25, status: 400, code: 'content_filter' },
  { number: 26, status: 409, code: 'conflict' },
  { number: 26, status: 413, code: null },
  { number: 26, status: 415, code: null },
  { number: 26, status: 422, code: 'unprocessable' },
].map(({ number, status, code }) => ({
  number,
  title: `answers ${status} ${code}`,
  upstream: jsonError(status, { message, type: 'invalid_request_error', code }),
  outcome: 'upstream_rejected',
  movesOn: false,
  last: { status, type: 'invalid_request_error', code, message },
}))

const noAnswers: readonly Fault[] = [
  ...[301, 302, 303, 307, 308].map((status) =>
    bad('redirect', {
      number: 27,
      title: `redirects with ${status}`,
      upstream: redirect('http://127.0.0.1:1/v1/chat/completions', status),
    }),
  ),
  bad('empty', { number: 28, title: 'answers 204', upstream: head(204) }),
  bad('empty', { number: 28, title: 'answers 200 with no body', upstream: reply({ headers: jsonHead }) }),
  bad('content_type', { number: 29, title: 'answers 200 with a web page', upstream: html() }),
  bad('parse', {
    number: 30,
    title: 'answers 200 with broken JSON',
    upstream: reply({ headers: jsonHead, body: '{"choices":[{"index":0,' }),
  }),
  {
    number: 31,
    title: 'answers 200 with a server error in it',
    upstream: jsonError(200, { message, type: 'server_error' }),
    outcome: 'upstream_error',
    attempts: 2,
    last: { status: 500, type: 'server_error', code: null, message },
  },
  {
    number: 31,
    title: "answers 200 with the caller's fault in it",
    upstream: jsonError(200, { message, type: 'invalid_request_error', code: 'invalid_value' }),
    outcome: 'upstream_rejected',
    movesOn: false,
    last: { status: 400, type: 'invalid_request_error', code: 'invalid_value', message },
  },
  {
    number: 31,
    title: 'answers 200 with a refused key in it',
    upstream: jsonError(200, { message, code: 'invalid_api_key' }),
    outcome: 'provider_auth_failed',
    last: { status: 502, type: 'upstream_error', code: 'provider_auth_failed', headers: noRetry },
    tells: { alert: 'provider_auth' },
  },
  {
    number: 31,
    title: 'answers 200 with a number for its status in it',
    upstream: json({ error: { message, type: null, param: null, code: 503 } }),
    outcome: 'upstream_overloaded',
    attempts: 2,
    last: { status: 503, type: null, code: 503, message },
  },
  bad('shape', {
    number: 32,
    title: 'answers 200 with JSON that is no completion',
    upstream: json({ hello: 'world' }),
  }),
  bad('shape', { number: 32, title: 'answers 200 with null', upstream: json(null) }),
  bad('truncated', {
    number: 33,
    title: 'sends less than its content-length',
    upstream: [reply({ headers: jsonHead, body: '{"choices":[]}', contentLength: 500 }), end()],
  }),
  bad('truncated', {
    number: 33,
    title: 'resets in the middle of its answer',
    upstream: [reply({ headers: jsonHead, body: '{"choices":[]}', contentLength: 500 }), reset()],
  }),
  bad('truncated', {
    number: 33,
    title: 'leaves out the last chunk',
    upstream: [
      head(200, { ...jsonHead, 'transfer-encoding': 'chunked' }),
      chunk(JSON.stringify(completionBody({ content: 'whole' }))),
      end(),
    ],
  }),
  bad('protocol', { number: 34, title: 'speaks no HTTP', upstream: garbage() }),
  bad('protocol', { number: 34, title: 'sends a header of 100 kB', upstream: bigHeader(100_000) }),
  bad('protocol', { number: 34, title: 'folds a header', upstream: obsFold() }),
  bad('protocol', {
    number: 34,
    title: 'sends a chunk size that is none',
    upstream: [head(200, { ...jsonHead, 'transfer-encoding': 'chunked' }), write('zz\r\n{}\r\n0\r\n\r\n')],
  }),
  bad('protocol', {
    number: 34,
    title: 'sends two content-lengths',
    upstream: write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'),
  }),
  bad('truncated', {
    number: 37,
    title: 'sends a 100 that nobody asked for',
    upstream: [informational(100), completion({ content: 'an answer' })],
  }),
  bad('too_large', {
    number: 35,
    title: 'sends more than an answer may have',
    upstream: completion({ content: 'x'.repeat(200_000) }),
    router: { maxResponseBytes: 100_000 },
  }),
  bad('too_large', { number: 36, title: 'sends a bomb in gzip', upstream: bomb('gzip', 8 * 1024 * 1024) }),
  bad('too_large', { number: 36, title: 'sends a bomb in brotli', upstream: bomb('br', 2 * 1024 * 1024) }),
  bad('content_encoding', {
    number: 36,
    title: 'says gzip and sends something else',
    upstream: reply({ headers: { ...jsonHead, 'content-encoding': 'gzip' }, body: '{"choices":[]}' }),
  }),
  bad('content_encoding', {
    number: 36,
    title: 'encodes as nobody knows',
    upstream: reply({ headers: { ...jsonHead, 'content-encoding': 'x-unknown' }, body: 'abc' }),
  }),
  bad('truncated', {
    number: 36,
    title: 'cuts a compressed answer short',
    upstream: [
      reply({
        headers: { ...jsonHead, 'content-encoding': 'gzip' },
        body: gzipSync(JSON.stringify(completionBody({ content: 'whole' }))).subarray(0, 60),
        contentLength: 500,
      }),
      end(),
    ],
  }),
]

describeFaults('providers that cannot be reached', unreachable)
describeFaults('providers that say nothing', silent)
describeFaults('providers that refuse', refusals)
describeFaults("providers that refuse what is the caller's own fault", callersOwn)
describeFaults('providers whose answer is none', noAnswers)

describeMounts('what is no fault of the provider', (mount) => {
  it('case 6: a reused connection that had aged is replaced once, unseen: no attempt, retry or failure', async () => {
    const upstream = await upstreamThat(resetWhenReused(completion({ content: 'an answer' })))
    const router = routerOver([upstream])
    const told = listenTo(router)
    const mounted = await mount.serve(router)

    for (let call = 0; call < 3; call++) {
      const answer = await send(mounted, { body: chat() })
      expect(answer.status).toBe(200)
      expect(answer.headers['x-signalbox-attempts']).toBe('1')
    }

    expect(upstream.requests.filter(({ reused }) => reused).length).toBeGreaterThan(0)
    expect(told.filter(({ event, payload }) => event === 'attempt.ended' && payload.error)).toEqual([])
  })

  it('case 6: it is replaced once only: what fails again is a failure', async () => {
    let calls = 0
    const upstream = await upstreamThat(() => (calls++ === 0 ? completion({ content: 'an answer' }) : reset()))
    const mounted = await mount.serve(routerOver([upstream], { retry: false }))
    await send(mounted, { body: chat() })

    const answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(502)
    expect(answer.json().error.code).toBe('upstream_reset')
    expect(upstream.requests).toHaveLength(3)
  })

  it('case 6: one that breaks after a while may have worked on the request: that is a failure, and not sent again', async () => {
    const clock = createFakeClock()
    const gate = closedGate()
    const upstream = await upstreamThat((_request, index) =>
      index === 0 ? completion({ content: 'an answer' }) : [waitFor(gate.opened), reset()],
    )
    const mounted = await mount.serve(routerOver([upstream], { retry: false, clock }))
    await send(mounted, { body: chat() })

    const answering = send(mounted, { body: chat() })
    await eventually(() => upstream.requests.length === 2)
    await clock.advance(5_000)
    gate.open()

    expect((await answering).json().error.code).toBe('upstream_reset')
    expect(upstream.requests.map(({ reused }) => reused)).toEqual([false, true])
  })

  it('case 25: an answer that a content filter ended is an answer', async () => {
    const router = routerOver([await upstreamThat(completion({ content: '', finishReason: 'content_filter' }))])

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBe(200)
    expect(answer.json().choices[0].finish_reason).toBe('content_filter')
  })

  it('case 25: what a content filter refuses another model is asked only by a rule of the host', async () => {
    const filtered = { message: 'Filtered', type: 'invalid_request_error', param: 'prompt', code: 'content_filter' }
    const upstreams = [
      await upstreamThat(json({ error: filtered }, { status: 400 })),
      await upstreamThat(completion({ content: 'an answer' })),
    ]
    const filtersMoveOn = definePlugin({
      name: 'filters-move-on',
      attempt: {
        stage: 'retry',
        run: (attempt, next) =>
          next(attempt).catch((error: unknown) => {
            const isFiltered = isSignalboxError(error) && error.reason === 'content_filter'
            throw isFiltered ? Object.assign(error, { movesOn: true }) : error
          }),
      },
    })

    const refused = await send(await mount.serve(routerOver(upstreams)), { body: chat() })
    const ruled = await mount.serve(routerOver(upstreams, { plugins: [filtersMoveOn] }))
    const answered = await send(ruled, { body: chat() })

    expect([refused.status, refused.json()]).toEqual([400, { error: filtered }])
    expect([answered.status, answered.headers['x-signalbox-attempts']]).toEqual([200, '2'])
  })

  it('case 27: a redirect is never followed, so no key goes to another origin', async () => {
    const elsewhere = await upstreamThat(completion({ content: 'stolen' }))
    const router = routerOver([await upstreamThat(redirect(`${elsewhere.baseUrl}/chat/completions`))])

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBe(502)
    expect(elsewhere.connections).toHaveLength(0)
  })

  it('case 32: no choices, with the results of a prompt filter, is an answer', async () => {
    const body = { id: '1', choices: [], prompt_filter_results: [{ prompt_index: 0 }] }
    const router = routerOver([await upstreamThat(json(body))])

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual(body)
  })

  it.each(['gzip', 'br', 'deflate'] as const)('case 36: an answer in %s is decoded', async (encoding) => {
    const body = JSON.stringify(completionBody({ content: 'Hà Nội '.repeat(1_000) }))
    const router = routerOver([await upstreamThat(compressed(encoding, { headers: jsonHead, body }))])

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.text).toBe(body)
    expect(answer.headers['content-encoding']).toBeUndefined()
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(body)))
  })

  it('case 37: early hints are ignored', async () => {
    const upstream = await upstreamThat([
      informational(103, { link: '</style.css>; rel=preload' }),
      completion({ content: 'an answer' }),
    ])

    const answer = await send(await mount.serve(routerOver([upstream])), { body: chat() })

    expect(answer.status).toBe(200)
    expect(answer.headers['x-signalbox-attempts']).toBe('1')
    expect(answer.headers.link).toBeUndefined()
  })

  it('case 38: an answer that drips is served while its time lasts', async () => {
    const body = JSON.stringify(completionBody({ content: 'an answer' }))
    const script = drip(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`, {
      everyMs: 1,
      bytesPerWrite: 20,
    })

    const answer = await send(await mount.serve(routerOver([await upstreamThat(script)])), { body: chat() })

    expect(answer.text).toBe(body)
  })

  it('case 7: a provider that is given up loses its connection', async () => {
    const upstream = await upstreamThat(hang())

    await send(await mount.serve(routerOver([upstream], quick)), { body: chat() })

    await eventually(() => upstream.openConnections() === 0)
    expect(upstream.requests).toHaveLength(1)
  })

  it('case 8: an answer of many chunks is passed on whole', async () => {
    const body = JSON.stringify(completionBody({ content: 'an answer' }))
    const script = [
      head(200, { ...jsonHead, 'transfer-encoding': 'chunked' }),
      chunk(body.slice(0, 9)),
      chunk(body.slice(9)),
      lastChunk(),
    ]

    const answer = await send(await mount.serve(routerOver([await upstreamThat(script)])), { body: chat() })

    expect(answer.text).toBe(body)
  })
})
