import { gunzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import {
  chunk,
  chunkEach,
  completionBody,
  compressed,
  cut,
  end,
  errorBody,
  fixtureUsage,
  hang,
  head,
  json,
  lastChunk,
  repeat,
  reset,
  type Script,
  sse,
  sseComment,
  stream,
  streamEvents,
  streamHead,
  wait,
  waitFor,
  write,
} from '@signalbox/testkit'
import { chat, contentOf, eventsOf, open, send } from '../support/caller.ts'
import { type Fault, describeFaults, fromTheSecond } from '../support/faults.ts'
import { describeMounts } from '../support/mounts.ts'
import { type OverOptions, closedGate, eventually, listenTo, routerOver, upstreamThat } from '../support/routers.ts'

const [role, hel, lo, finish, done] = streamEvents({ content: ['Hel', 'lo'] }) as [
  string,
  string,
  string,
  string,
  string,
]
const request = { stream: true }
const message = 'In the words of the provider'

type Opening = Pick<Fault, 'number' | 'title' | 'upstream'> & Partial<Fault>

const bad = (reason: string, fault: Opening): Fault => ({
  request,
  outcome: 'bad_upstream_response',
  reason,
  last: { status: 502, type: 'upstream_error', code: 'bad_upstream_response' },
  ...fault,
})

const quick = { first: { timeouts: { firstTokenMs: 80 } } }
const late: Omit<Fault, 'number' | 'title' | 'upstream'> = {
  request,
  router: quick,
  outcome: 'upstream_timeout',
  last: { status: 504, type: 'upstream_error', code: 'upstream_timeout' },
}

describeFaults('streams that fail before their first content', [
  bad('truncated', { number: 39, title: 'resets after the head', upstream: [streamHead(), reset()] }),
  bad('truncated', { number: 39, title: 'breaks off after the role', upstream: [streamHead(), chunk(role), end()] }),
  bad('empty', { number: 39, title: 'ends a stream without a word', upstream: stream([]) }),
  bad('empty', { number: 39, title: 'sends comments only', upstream: stream([sseComment('a'), sseComment('b')]) }),
  bad('empty', { number: 39, title: 'sends [DONE] only', upstream: stream([done]) }),
  bad('empty', { number: 39, title: 'sends a role only', upstream: stream([role]) }),
  bad('empty', { number: 39, title: 'sends a role and [DONE] only', upstream: stream([role, done]) }),
  {
    number: 40,
    title: 'begins with an error',
    request,
    upstream: stream([sse(errorBody({ message, code: 'server_is_overloaded' }))]),
    outcome: 'upstream_overloaded',
    attempts: 2,
    last: { status: 503, type: 'server_error', code: 'server_is_overloaded', message },
  },
  {
    number: 40,
    title: 'begins with an event named error',
    request,
    upstream: stream([sse(errorBody({ message, type: 'overloaded_error' }), { event: 'error' })]),
    outcome: 'upstream_overloaded',
    attempts: 2,
    last: { status: 529, type: 'overloaded_error', code: null, message },
  },
  {
    number: 40,
    title: "begins with an error that is the caller's own",
    request,
    upstream: stream([role, sse(errorBody({ message, type: 'invalid_request_error', code: 'invalid_value' }))]),
    outcome: 'upstream_rejected',
    movesOn: false,
    last: { status: 400, type: 'invalid_request_error', code: 'invalid_value', message },
  },
  bad('parse', { number: 41, title: 'begins with what is no JSON', upstream: stream([sse('{"choices":[{')]) }),
  bad('parse', { number: 41, title: 'begins with JSON that is no chunk', upstream: stream([sse('"hello"')]) }),
  bad('content_type', {
    number: 29,
    title: 'answers a stream with a web page',
    upstream: [head(200, { 'content-type': 'text/html', 'content-length': 6 }), write('<html>')],
  }),
  bad('content_type', {
    number: 29,
    title: 'answers a stream with a plain answer',
    upstream: json({ choices: [{ index: 0, message: { content: 'plain' }, finish_reason: 'stop' }] }),
  }),
  { ...late, number: 42, title: 'is silent after the head of a stream', upstream: [streamHead(), hang()] },
  { ...late, number: 42, title: 'is silent after the role', upstream: [streamHead(), chunk(role), hang()] },
  {
    ...late,
    number: 42,
    title: 'sends nothing but comments for too long',
    upstream: [streamHead(), chunk(role), repeat(Infinity, [chunk(sseComment('thinking')), wait(10)])],
  },
])

/** A stream that fails after its first content. */
interface Cut {
  readonly number: number
  readonly title: string
  readonly script: Script
  readonly router?: OverOptions
  /** What came before the error event, byte for byte. */
  readonly before: string
  readonly error: { readonly type: string; readonly code: string | null; readonly message: string }
  readonly how: string
}

const ours = (code: string, words: string) => ({ type: 'upstream_error', code, message: words })
const brokeOff = ours('stream_interrupted', 'The provider broke off the stream')
const ended = ours('stream_truncated', 'The provider ended the stream before the answer was finished')
const fellSilent = ours('stream_timeout', 'The provider fell silent in the middle of the stream')
const timeIsUp = ours('deadline_exceeded', "The call's time is up")
const providersOwn = { type: 'server_error', code: 'internal', message }

const cuts: readonly Cut[] = [
  {
    number: 43,
    title: 'resets the connection',
    script: [streamHead(), chunk(role), chunk(hel), reset()],
    before: role + hel,
    error: brokeOff,
    how: 'cut',
  },
  {
    number: 43,
    title: 'breaks off in the middle of an event',
    script: [streamHead(), chunk(role), chunk(hel), chunk(lo.slice(0, 20)), end()],
    before: role + hel,
    error: brokeOff,
    how: 'cut',
  },
  {
    number: 43,
    title: 'sends a chunk that is none',
    script: [streamHead(), chunk(role), chunk(hel), write('zz\r\n')],
    before: role + hel,
    error: brokeOff,
    how: 'cut',
  },
  {
    number: 44,
    title: 'ends in order without a finish reason',
    script: stream([role, hel, lo]),
    before: role + hel + lo,
    error: ended,
    how: 'cut',
  },
  {
    number: 45,
    title: 'falls silent',
    script: [streamHead(), chunk(role), chunk(hel), hang()],
    router: { timeouts: { stallMs: 60 } },
    before: role + hel,
    error: fellSilent,
    how: 'stalled',
  },
  {
    number: 46,
    title: 'reports an error',
    script: stream([role, hel, sse(errorBody(providersOwn)), done]),
    before: role + hel,
    error: providersOwn,
    how: 'cut',
  },
  {
    number: 48,
    title: 'sends an event of more than 8 MiB',
    script: [
      streamHead(),
      chunk(role),
      chunk(hel),
      chunk('data: "'),
      repeat(9, chunk(Buffer.alloc(1024 * 1024, 'x'))),
      hang(),
    ],
    before: role + hel,
    error: brokeOff,
    how: 'cut',
  },
  {
    number: 58,
    title: 'goes on for longer than the call may take',
    script: [streamHead(), chunk(role), chunk(hel), repeat(Infinity, [wait(10), chunk(sseComment('and so on'))])],
    router: { timeouts: { callMs: 500 } },
    before: role + hel,
    error: timeIsUp,
    how: 'cut',
  },
]

describeMounts('streams that fail after their first content', (mount) => {
  it.each(cuts)('case $number: a provider that $title', async ({ script, router: options, before, error, how }) => {
    const first = await upstreamThat(script)
    const second = await upstreamThat(fromTheSecond)
    const router = routerOver([first, second], options)
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat(request) })

    const comments = answer.text.replaceAll(sseComment('and so on'), '')
    expect(answer.status).toBe(200)
    expect(comments).toBe(
      `${before}data: ${JSON.stringify({ error: { message: error.message, type: error.type, param: null, code: error.code } })}\n\n`,
    )
    expect(answer.complete).toBe(true)
    expect(second.requests).toHaveLength(0)
    const { ended: asEnded, record } = told.find(({ event }) => event === 'call.ended')!.payload
    expect(asEnded).toMatchObject({ how, estimated: true })
    expect(asEnded.usage.outputTokens).toBeGreaterThan(0)
    expect(record.attempts).toHaveLength(1)
    expect(record.attempts[0].outcome).not.toBe('ok')
    expect(told.filter(({ event }) => event === 'failover')).toEqual([])
    await eventually(() => first.openConnections() === 0 || first.requests[0]!.scriptDone)
  })
})

const usageEvents = streamEvents({ content: ['Hel', 'lo'], usage: fixtureUsage })

/** A stream that is odd, and whole. */
const whole: readonly {
  readonly number: number
  readonly title: string
  readonly script: Script
  readonly text: string
  readonly estimated?: boolean
}[] = [
  {
    number: 47,
    title: 'an event that cannot be read',
    script: stream([role, hel, 'data: {"choices":[{oops\n\n', lo, finish, done]),
    text: [role, hel, 'data: {"choices":[{oops\n\n', lo, finish, done].join(''),
  },
  {
    number: 48,
    title: 'an event of 1 MiB',
    script: stream(streamEvents({ content: ['Hel', 'x'.repeat(1024 * 1024)] })),
    text: streamEvents({ content: ['Hel', 'x'.repeat(1024 * 1024)] }).join(''),
  },
  ...(['\n', '\r\n', '\r'] as const).map((lineEnd) => {
    const events = streamEvents({ content: ['Hà Nội', ' 🏯'] }).map((event) => event.replaceAll('\n', lineEnd))
    return {
      number: 48,
      title: `lines that end in ${JSON.stringify(lineEnd)}, cut everywhere`,
      script: [streamHead(), cut(events.join(''), { every: 7 }).map(chunk), lastChunk()],
      text: events.join(''),
    }
  }),
  {
    number: 48,
    title: 'many events in one packet',
    script: [streamHead(), chunk([sseComment('a'), role, hel, lo, finish, done].join('')), lastChunk()],
    text: [sseComment('a'), role, hel, lo, finish, done].join(''),
  },
  {
    number: 50,
    title: 'an end after the finish reason and before [DONE]',
    script: [streamHead(), chunk(role), chunk(hel), chunk(finish), end()],
    text: role + hel + finish + done,
  },
  {
    number: 50,
    title: 'a reset after the finish reason and before [DONE]',
    script: [streamHead(), chunk(role), chunk(hel), chunk(finish), reset()],
    text: role + hel + finish + done,
  },
  {
    number: 50,
    title: 'a usage that came before it was cut',
    script: [streamHead(), chunkEach(usageEvents.slice(0, -1)), end()],
    text: usageEvents.filter((_, index) => index !== usageEvents.length - 2).join(''),
    estimated: false,
  },
  {
    number: 51,
    title: 'a usage that nobody asked for',
    script: stream(usageEvents),
    text: usageEvents.filter((_, index) => index !== usageEvents.length - 2).join(''),
    estimated: false,
  },
  {
    number: 52,
    title: 'no usage at all',
    script: stream([role, hel, lo, finish, done]),
    text: role + hel + lo + finish + done,
  },
  {
    number: 36,
    title: 'a content-encoding',
    script: compressed('gzip', {
      headers: { 'content-type': 'text/event-stream' },
      body: [role, hel, lo, finish, done].join(''),
    }),
    text: [role, hel, lo, finish, done].join(''),
  },
]

describeMounts('streams that are odd, and whole', (mount) => {
  it.each(whole)('case $number: with $title', async ({ script, text, estimated = true }) => {
    const router = routerOver([await upstreamThat(script)])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat(request) })

    expect(answer.status).toBe(200)
    expect(answer.text === text || answer.text.slice(0, 5_000)).toBe(true)
    expect(answer.complete).toBe(true)
    expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({
      ended: { how: 'complete', estimated },
      record: { outcome: 'ok', attempts: [{ outcome: 'ok' }] },
    })
  })

  it('case 47: an event that cannot be read is told of', async () => {
    const router = routerOver([await upstreamThat(stream([role, hel, sse('{oops'), finish, done]))])
    const told = listenTo(router)

    await send(await mount.serve(router), { body: chat(request) })

    expect(told.filter(({ event }) => event === 'warning')).toMatchObject([
      { payload: { kind: 'malformed_event', model: 'first' } },
    ])
  })

  it('case 42: comments keep a stream alive after its first content', async () => {
    const waiting = repeat(12, [wait(60), chunk(sseComment('thinking'))])
    const script = [streamHead(), chunk(role), chunk(hel), waiting, chunk(lo), chunk(finish), chunk(done), lastChunk()]
    const router = routerOver([await upstreamThat(script)], { timeouts: { stallMs: 600 } })

    const answer = await send(await mount.serve(router), { body: chat(request) })

    expect(contentOf(answer.text)).toBe('Hello')
    expect(eventsOf(answer.text).at(-1)).toBe('[DONE]')
  })

  it('case 39: the caller sees one role and one [DONE], whatever was tried before', async () => {
    const dying = await upstreamThat([streamHead(), chunk(role), reset()])
    const erring = await upstreamThat(stream([role, sse(errorBody({}))]))
    const router = routerOver([dying, erring, await upstreamThat(fromTheSecond)])

    const answer = await send(await mount.serve(router), { body: chat(request) })

    expect(answer.headers['x-signalbox-model']).toBe('third')
    expect(answer.text.match(/"role"/g)).toHaveLength(1)
    expect(answer.text.match(/\[DONE\]/g)).toHaveLength(1)
  })
})

describeMounts('case 54: a compressing middleware in front', (mount) => {
  const gzipped = { 'accept-encoding': 'gzip' }

  it('leaves streams alone: each event arrives when it is sent', async () => {
    const gate = closedGate()
    const script = [
      streamHead(),
      chunk(role),
      chunk(hel),
      waitFor(gate.opened),
      ...[lo, finish, done].map(chunk),
      lastChunk(),
    ]
    const mounted = await mount.serve(routerOver([await upstreamThat(script)]), { compresses: true })

    const answer = await open(mounted, { body: chat(request), headers: gzipped })
    expect(await answer.until(hel)).toBe(role + hel)
    gate.open()

    expect((await answer.rest()).text).toBe([role, hel, lo, finish, done].join(''))
    expect(answer.headers['content-encoding']).toBeUndefined()
  })

  it('compresses plain answers, which come out as they were', async () => {
    const body = completionBody({ content: 'Hà Nội '.repeat(500) })
    const mounted = await mount.serve(routerOver([await upstreamThat(json(body))]), { compresses: true })

    const answer = await send(mounted, { body: chat(), headers: gzipped })

    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(answer.complete).toBe(true)
    expect(gunzipSync(answer.body).toString()).toBe(JSON.stringify(body))
  })
})
