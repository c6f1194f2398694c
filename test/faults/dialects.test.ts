import { expect, it } from 'vitest'
import type { ModelOptions } from '@signalbox/core'
import {
  type Script,
  chunk,
  end,
  hang,
  head,
  json,
  lastChunk,
  reset,
  sse,
  sseComment,
  stream,
  streamHead,
  write,
} from '@signalbox/testkit'
import { type Speaker, type Wire, dataOf, otherThan, pairs, providersWords, wholeStream } from '../support/dialects.ts'
import { send } from '../support/caller.ts'
import { describeMounts } from '../support/mounts.ts'
import { listenTo, routerFor, upstreamThat } from '../support/routers.ts'

/** A fault of a provider, in whatever dialect it fails. */
interface Fault {
  readonly title: string
  script(wire: Wire): Script
  readonly options?: Partial<ModelOptions>
  /** What the attempt is noted as, and what the caller is told when no model is left. */
  readonly code: string
  /** The provider's words, where it is they that the caller is told. */
  readonly tells?: string
}

/** What a caller is told: the provider's words where it had some, or else our code. */
const toldBy = (caller: Speaker, body: unknown, { tells }: Fault) => caller.errorOf(body)[tells ? 'message' : 'code']

const quick = { timeouts: { firstTokenMs: 20, answerMs: 20 } }

const streamedBefore: readonly Fault[] = [
  { title: 'cuts after the head', code: 'bad_upstream_response', script: () => [streamHead(), reset()] },
  {
    title: 'ends before any content',
    code: 'bad_upstream_response',
    script: ({ stream: { opening } }) => stream([opening]),
  },
  {
    title: 'cuts before any content',
    code: 'bad_upstream_response',
    script: ({ stream: { opening } }) => [streamHead(), chunk(opening), reset()],
  },
  {
    title: 'is silent before any content',
    code: 'upstream_timeout',
    script: ({ stream: { opening } }) => [streamHead(), chunk(opening), hang()],
    options: quick,
  },
  { title: 'sends nothing', code: 'bad_upstream_response', script: () => stream([sseComment('nothing')]) },
  { title: 'begins with no JSON', code: 'bad_upstream_response', script: () => stream([sse('{"oops')]) },
  {
    title: 'begins with an error',
    code: 'upstream_error',
    tells: providersWords,
    script: ({ stream: { opening }, errorEvent }) => stream([opening, errorEvent]),
  },
]

const plainBefore: readonly Fault[] = [
  { title: 'resets', code: 'upstream_reset', script: () => [reset()] },
  {
    title: 'answers 500',
    code: 'upstream_error',
    tells: providersWords,
    script: ({ errorBody }) => json(errorBody, { status: 500 }),
  },
  {
    title: 'answers 200 with an error',
    code: 'upstream_error',
    tells: providersWords,
    script: ({ errorBody }) => json(errorBody),
  },
  {
    title: 'answers with no JSON',
    code: 'bad_upstream_response',
    script: () => [head(200, { 'content-type': 'application/json', 'content-length': 5 }), write('{"oop')],
  },
  { title: 'answers with another shape', code: 'bad_upstream_response', script: () => json({ hello: 'there' }) },
  { title: 'answers nothing', code: 'bad_upstream_response', script: () => [head(200, { 'content-length': 0 })] },
  { title: 'is silent', code: 'upstream_timeout', script: () => [hang()], options: quick },
]

/** Faults after the first content, and how the call ends by them. */
const after: readonly (Fault & { readonly how: string })[] = [
  {
    title: 'cuts',
    code: 'stream_interrupted',
    how: 'cut',
    script: ({ stream: { opening, contents } }) => [streamHead(), chunk(opening), chunk(contents[0]), reset()],
  },
  {
    title: 'ends without a word',
    code: 'stream_truncated',
    how: 'cut',
    script: ({ stream: { opening, contents } }) => stream([opening, contents[0]]),
  },
  {
    title: 'falls silent',
    code: 'stream_timeout',
    how: 'stalled',
    script: ({ stream: { opening, contents } }) => [streamHead(), chunk(opening), chunk(contents[0]), hang()],
    options: { timeouts: { stallMs: 60 } },
  },
  {
    title: 'reports an error',
    code: 'stream_interrupted',
    tells: providersWords,
    how: 'cut',
    script: ({ stream: { opening, contents, ending }, errorEvent }) =>
      stream([opening, contents[0], errorEvent, ending]),
  },
]

const healthy = (wire: Wire, streamed: boolean) => (streamed ? stream(wholeStream(wire)) : json(wire.plain('Hello')))

/** A router whose first model fails, with a healthy one of another dialect behind it where one is wanted. */
async function routerThatFails(fault: Fault, provider: Wire, spare?: Wire, streamed = true) {
  const first = await upstreamThat(fault.script(provider))
  const second = spare && (await upstreamThat(healthy(spare, streamed)))
  const router = routerFor({
    models: { first: provider.model(first, fault.options), ...(second && { second: spare.model(second) }) },
    routes: { auto: { models: second ? ['first', 'second'] : ['first'] } },
    retry: false,
  })
  return { router, second, told: listenTo(router) }
}

const title = '$caller.name to $provider.name'

/** What a caller makes of a stream: its text, and how often it was told that all is well or is not. */
function heard(caller: Speaker, answer: string) {
  const events = dataOf(answer)
  const ends = events.filter(caller.isEnd).length
  const text = events.map(caller.deltaOf).join('')
  return { text, ends, isLast: caller.isEnd(events.at(-1)), errors: events.filter(caller.isError).length }
}

const hello = { text: 'Hello', ends: 1, isLast: true, errors: 0 }

describeMounts('a fault before the first content', (mount) => {
  const streamed = pairs.flatMap((pair) => streamedBefore.map((fault) => ({ ...pair, fault })))
  const plain = pairs.flatMap((pair) => plainBefore.map((fault) => ({ ...pair, fault })))

  it.each(streamed)(`${title}, streamed: $fault.title, and the next model answers`, async (one) => {
    const { caller, provider, fault } = one
    const { router, told } = await routerThatFails(fault, provider, otherThan(provider))

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    expect(answer.status).toBe(200)
    expect(heard(caller, answer.text)).toEqual(hello)
    expect(answer.headers['x-signalbox-model']).toBe('second')
    expect(told.filter(({ event }) => event === 'failover').map(({ payload }) => payload.reason)).toEqual([fault.code])
  })

  it.each(plain)(`${title}, plain: $fault.title, and the next model answers`, async ({ caller, provider, fault }) => {
    const { router, told } = await routerThatFails(fault, provider, otherThan(provider), false)

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request() })

    expect(answer.status).toBe(200)
    expect(caller.textOf(answer.json())).toBe('Hello')
    expect(told.filter(({ event }) => event === 'failover').map(({ payload }) => payload.reason)).toEqual([fault.code])
  })

  it.each([...streamed, ...plain.map((one) => ({ ...one, isPlain: true }))])(
    `${title}: $fault.title, and no model is left`,
    async ({ caller, provider, fault, ...rest }) => {
      const { router } = await routerThatFails(fault, provider)
      const body = caller.request('isPlain' in rest ? {} : { stream: true })

      const answer = await send(await mount.serve(router), { path: caller.path, body })

      const { type } = caller.errorOf(answer.json())
      expect(answer.status).toBeGreaterThanOrEqual(500)
      expect(answer.headers['content-type']).toBe('application/json')
      expect(type).toEqual(expect.any(String))
      expect(toldBy(caller, answer.json(), fault)).toBe(fault.tells ?? fault.code)
    },
  )
})

describeMounts('a fault after the first content', (mount) => {
  const cases = pairs.flatMap((pair) => after.map((fault) => ({ ...pair, fault })))

  it.each(cases)(`${title}: $fault.title`, async ({ caller, provider, fault }) => {
    const { router, second, told } = await routerThatFails(fault, provider, otherThan(provider))

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    const events = dataOf(answer.text)
    const errors = events.filter(caller.isError)
    expect(answer.status).toBe(200)
    expect(events.map(caller.deltaOf).join('')).toBe('Hel')
    expect(events.filter(caller.isEnd)).toEqual([])
    expect(errors).toHaveLength(1)
    expect(caller.isError(events.at(-1))).toBe(true)
    expect(toldBy(caller, errors[0], fault)).toBe(fault.tells ?? fault.code)
    expect(answer.complete).toBe(true)
    expect(second!.requests).toHaveLength(0)
    const { ended, record } = told.find(({ event }) => event === 'call.ended')!.payload
    expect(ended).toMatchObject({ how: fault.how, estimated: true })
    expect(ended.usage.inputTokens).toBeGreaterThan(0)
    expect(ended.usage.outputTokens).toBeGreaterThan(0)
    expect(record.attempts).toHaveLength(1)
  })

  it.each(pairs)(`${title}: an event that cannot be read does not end it`, async ({ caller, provider }) => {
    const { opening, contents, ending } = provider.stream
    const script = stream([opening, contents[0], sse('{oops'), contents[1], ending])
    const router = routerFor({ models: { auto: provider.model(await upstreamThat(script)) } })
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    const events = dataOf(answer.text).filter((data) => data !== '{oops')
    expect(events.map(caller.deltaOf).join('')).toBe('Hello')
    expect(caller.isEnd(events.at(-1))).toBe(true)
    expect(told.filter(({ event }) => event === 'warning').map(({ payload }) => payload.kind)).toEqual([
      'malformed_event',
    ])
  })
})

describeMounts('a stream that is whole', (mount) => {
  it.each(pairs)(`${title}: however its bytes are cut`, async ({ caller, provider }) => {
    const bytes = Buffer.from(wholeStream(provider).join(''))
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7))
    const script = [streamHead(), pieces.map((piece) => chunk(piece)), lastChunk()]
    const router = routerFor({ models: { auto: provider.model(await upstreamThat(script)) } })
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    expect(heard(caller, answer.text)).toEqual(hello)
    expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toEqual({
      how: 'complete',
      estimated: false,
      usage: { inputTokens: 10, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 5, reasoningTokens: 0 },
    })
  })

  it.each(pairs)(`${title}: that comments keep open, for the caller too`, async ({ caller, provider }) => {
    const { opening, contents, ending } = provider.stream
    const script = stream([opening, contents[0], sseComment('still here'), contents[1], ending])
    const router = routerFor({ models: { auto: provider.model(await upstreamThat(script)) } })

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    expect(heard(caller, answer.text)).toEqual(hello)
    expect(answer.text.split('\n').filter((line) => line.startsWith(':'))).toHaveLength(1)
  })

  it.each(pairs)(`${title}: that lacks only its last event`, async ({ caller, provider }) => {
    const { opening, contents, ending } = provider.stream
    const last =
      provider.name === 'openai-responses' ? ending : ending.slice(0, ending.trimEnd().lastIndexOf('\n\n') + 2)
    const script = [streamHead(), chunk(opening), contents.map(chunk), chunk(last), end()]
    const router = routerFor({ models: { auto: provider.model(await upstreamThat(script)) } })

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request({ stream: true }) })

    expect(heard(caller, answer.text)).toEqual(hello)
  })
})
