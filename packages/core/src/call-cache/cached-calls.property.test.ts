import { completionBody, createFakeClock, streamEvents } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import { PushStream } from '../stream.ts'
import type { Attempt, Ended, Reply } from '../types.ts'

const clock = createFakeClock()
const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const chunks = streamEvents({ content: ['One ', 'two ', 'three ', 'four ', 'five ', 'six.'] })
const words = 'One two three four five six.'

/** An upstream that sends as the test says, a chunk at a time. */
class Upstream {
  readonly signal: AbortSignal
  readonly reply: Promise<Reply>
  sent = 0
  private readonly push: (chunk: string) => void
  private readonly end: (how?: Ended['how']) => void

  constructor({ call, signal }: Attempt) {
    this.signal = signal
    let settle: (ended: Ended) => void
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    const cancel = () => this.end('cancelled')
    const body: PushStream = new PushStream({ pause: () => undefined, resume: () => undefined, cancel })
    signal.addEventListener('abort', cancel)
    this.push = (chunk) => body.push(Buffer.from(chunk))
    this.end = (how = 'complete') => {
      body.end()
      settle({ how, usage: noUsage, estimated: false })
    }
    const whole = () => plainReply({ ...head, body: Buffer.from(JSON.stringify(completionBody({ content: words }))) })
    this.reply = call.request.parameters.stream
      ? Promise.resolve(streamReply({ ...head, body, ended, cancel }))
      : ended.then(whole)
  }

  breakOff(): void {
    this.end('cut')
  }

  /** Sends a chunk; whether that was the last. */
  next(): boolean {
    this.push(chunks[this.sent++]!)
    if (this.sent < chunks.length) return false
    this.end()
    return true
  }
}

function boxed() {
  const upstreams: Upstream[] = []
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: () => ({
      domain: 'own',
      send: (attempt) => {
        const upstream = new Upstream(attempt)
        upstreams.push(upstream)
        return upstream.reply
      },
    }),
  }
  const models = { a: { provider, price: false as const } }
  return { upstreams, router: createRouter({ models, clock, retry: false, cache: {} }) }
}

type Router = ReturnType<typeof boxed>['router']

/** A caller, and what it has read so far. */
function caller(router: Router, stream: boolean) {
  const leaving = new AbortController()
  const body = { model: 'a', temperature: 0, stream, messages: [{ role: 'user', content: 'Count.' }] }
  const one = { text: '', reply: undefined as Reply | undefined, leaving, over: Promise.resolve() }
  one.over = router.handle({ body, signal: leaving.signal }).then(
    async (reply) => {
      one.reply = reply
      if (reply.body instanceof Uint8Array) one.text = Buffer.from(await readBody(reply)).toString()
      else for await (const chunk of reply.body) one.text += Buffer.from(chunk).toString()
    },
    () => undefined,
  )
  return one
}

type Caller = ReturnType<typeof caller>

const leave = ({ leaving, reply }: Caller, how: 'abort' | 'cancel') =>
  how === 'cancel' && reply ? reply.cancel() : leaving.abort()

const lastTick = 12
/** When a caller comes, how long it stays where it leaves, and how it leaves. */
const visits = fc.array(
  fc.record({
    at: fc.nat({ max: lastTick }),
    stays: fc.option(fc.nat({ max: 6 })),
    how: fc.constantFrom('abort' as const, 'cancel' as const),
  }),
  { minLength: 100, maxLength: 100 },
)

describe('100 streams of the same', () => {
  it(
    'are one upstream call as long as anybody is there, and each caller that stays reads all of it',
    { timeout: 30_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          visits,
          fc.array(fc.boolean(), { minLength: lastTick + 1, maxLength: lastTick + 1 }),
          runVisits,
        ),
        { numRuns: 40 },
      )
    },
  )
})

type Visit = { at: number; stays: number | null; how: 'abort' | 'cancel' }

async function runVisits(all: readonly Visit[], sends: readonly boolean[]): Promise<void> {
  const { upstreams, router } = boxed()
  const whole = chunks.join('')
  // What must be: who is aboard of a call under way, how many calls there were, and whether the answer is kept.
  const aboard = new Set<number>()
  let [calls, aborted, isKept] = [0, 0, false]
  const callers: Caller[] = []
  const expected: string[] = []

  const move = (): void => {
    const upstream = upstreams.at(-1)!
    for (const index of aboard) expected[index] = chunks.slice(0, upstream.sent + 1).join('')
    if (!upstream.next()) return
    isKept = true
    aboard.clear()
  }

  for (let tick = 0; tick <= lastTick; tick++) {
    for (const [index, { at }] of all.entries()) {
      if (at !== tick) continue
      callers[index] = caller(router, true)
      if (!isKept && aboard.size === 0) calls++
      if (!isKept) aboard.add(index)
      await clock.settle()
      expected[index] = isKept ? whole : chunks.slice(0, upstreams.at(-1)!.sent).join('')
    }
    for (const [index, { at, stays, how }] of all.entries()) {
      if (stays === null || at + stays !== tick) continue
      leave(callers[index]!, how)
      if (aboard.delete(index) && aboard.size === 0) aborted++
    }
    await clock.settle()
    if (sends[tick] && aboard.size > 0) move()
    await clock.settle()
    expect(upstreams).toHaveLength(calls)
    expect(upstreams.filter(({ signal }) => signal.aborted)).toHaveLength(aborted)
  }
  while (aboard.size > 0) move()
  await Promise.all(callers.map(({ over }) => over))
  expect(callers.map(({ text }) => text)).toEqual(expected)
  expect(clock.pendingTimers()).toBe(0)
  expect(router.status().cache!.misses).toBe(calls)
  await router.close()
}

describe('plain calls and streams of the same', () => {
  it('are one upstream call, and each is answered in its own way', async () => {
    const comers = fc.array(fc.record({ stream: fc.boolean(), at: fc.nat({ max: chunks.length - 1 }) }), {
      minLength: 2,
      maxLength: 20,
    })
    await fc.assert(
      fc.asyncProperty(comers, async (all) => {
        const { upstreams, router } = boxed()
        const inTime = all.toSorted((one, other) => one.at - other.at)
        const [first] = inTime as [(typeof inTime)[number]]
        const callers: { stream: boolean; one: Caller }[] = []
        for (let tick = first.at; tick < first.at + chunks.length; tick++) {
          for (const { stream, at } of inTime) if (at === tick) callers.push({ stream, one: caller(router, stream) })
          await clock.settle()
          upstreams[0]!.next()
          await clock.settle()
        }
        await Promise.all(callers.map(({ one }) => one.over))
        expect(upstreams).toHaveLength(1)
        for (const { stream, one } of callers) expect(stream ? streamed(one.text) : plain(one.text)).toBe(words)
        expect(router.status().cache).toMatchObject({ misses: 1, hits: all.length - 1 })
        expect(clock.pendingTimers()).toBe(0)
        await router.close()
      }),
      { numRuns: 60 },
    )
  })

  it('leave alone: one that waits keeps the call of another kind, and the last one ends it', async () => {
    const { upstreams, router } = boxed()
    const [first, second] = [caller(router, true), caller(router, false)]
    await clock.settle()
    leave(first, 'cancel')
    await clock.settle()
    expect(upstreams.map(({ signal }) => signal.aborted)).toEqual([false])
    leave(second, 'abort')
    await clock.settle()
    expect(upstreams.map(({ signal }) => signal.aborted)).toEqual([true])
    await router.close()
  })

  it('ask for themselves where the other broke off, all together once', async () => {
    const { upstreams, router } = boxed()
    caller(router, true)
    const waiting = [caller(router, false), caller(router, false)]
    await clock.settle()
    upstreams[0]!.next()
    upstreams[0]!.breakOff()
    await clock.settle()
    expect(upstreams).toHaveLength(2)
    while (!upstreams[1]!.next());
    await Promise.all(waiting.map(({ over }) => over))
    expect(waiting.map(({ text }) => plain(text))).toEqual([words, words])
    expect(upstreams).toHaveLength(2)
    await router.close()
  })
})

const plain = (text: string): string => JSON.parse(text).choices[0].message.content
const streamed = (text: string) =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)).choices[0]?.delta.content ?? '')
    .join('')
