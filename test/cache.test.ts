import { expect, it } from 'vitest'
import type { RouterOptions } from '@signalbox/core'
import {
  chunk,
  chunkEach,
  completion,
  inTurn,
  jsonError,
  lastChunk,
  reset,
  seededRandom,
  streamEvents,
  streamHead,
  wait,
  waitFor,
} from '@signalbox/testkit'
import { begin, chat, contentOf, eventsOf, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, routerOver, simulatedProvider, upstreamThat } from './support/routers.ts'

const same = (extra: object = {}) => chat({ temperature: 0, ...extra })
const price = { input: 10, output: 20 }
const boxed = async (
  responds: Parameters<typeof upstreamThat>[0] = completion({ content: 'kept' }),
  options: Partial<RouterOptions> = {},
) => {
  const upstream = await upstreamThat(responds)
  return { upstream, router: routerOver([upstream], { cache: {}, model: { price }, ...options }) }
}

describeMounts('the cache', (mount) => {
  it('answers a deterministic call again without asking again, and says so', async () => {
    const { upstream, router } = await boxed(completion({ content: 'kept' }), { ledger: 'memory' })
    const told: unknown[] = []
    router.on('cache', (record) => told.push(record))
    const to = await mount.serve(router, { authorise: () => true })
    const first = await send(to, { body: same() })
    const second = await send(to, { body: { temperature: 0, ...chat() } })
    expect(upstream.requests).toHaveLength(1)
    expect([first.headers['x-signalbox-cache'], first.headers['age']]).toEqual(['miss', undefined])
    expect([second.headers['x-signalbox-cache'], second.headers['age']]).toEqual(['hit', '0'])
    expect(second.body.equals(first.body)).toBe(true)
    expect(second.headers['content-type']).toBe(first.headers['content-type'])
    expect(second.headers['x-signalbox-attempts']).toBe('0')

    const cost = router.ledger!.totals('model')[0]!.costNanoUsd
    expect(cost > 0n).toBe(true)
    expect(told).toMatchObject([
      { outcome: 'miss', route: 'auto' },
      { outcome: 'hit', layer: 'memory', bytes: first.body.length, savedNanoUsd: Number(cost) },
    ])
    const { cache } = (await send(to, { method: 'GET', path: '/status' })).json()
    expect(cache).toMatchObject({ hits: 1, misses: 1, bypasses: 0, bytes: first.body.length })
    expect(Number(cache.savedUsd)).toBeCloseTo(Number(cost) / 1e9, 12)
    expect(cache.layers).toEqual([{ name: 'memory', entries: 1, bytes: expect.any(Number), maximumBytes: 67_108_864 }])
    const rows = [...router.ledger!.calls()]
    expect(rows.map(({ decision }) => (decision as { cache?: { outcome: string } }).cache?.outcome)).toEqual([
      'miss',
      'hit',
    ])
  })

  it.each([
    { what: 'nothing says that it is the same each time', body: chat() },
    { what: 'the temperature is not 0', body: chat({ temperature: 0.1 }) },
  ])('is passed by where $what, unless the route opts in', async ({ body }) => {
    const { upstream, router } = await boxed()
    const to = await mount.serve(router)
    for (let times = 0; times < 2; times++)
      expect((await send(to, { body })).headers['x-signalbox-cache']).toBe('bypass')
    expect(upstream.requests).toHaveLength(2)
    const opted = await boxed(completion({ content: 'kept' }), {
      routes: { auto: { models: ['first'], cache: { deterministicOnly: false } } },
    })
    const there = await mount.serve(opted.router)
    await send(there, { body })
    expect((await send(there, { body })).headers['x-signalbox-cache']).toBe('hit')
  })

  it('is passed by on a route without it, and is not there unless it is asked for', async () => {
    const off = await boxed(completion({ content: 'kept' }), { routes: { auto: { models: ['first'], cache: false } } })
    const there = await mount.serve(off.router)
    await send(there, { body: same() })
    expect((await send(there, { body: same() })).headers['x-signalbox-cache']).toBe('bypass')
    const none = await mount.serve((await boxed(completion({ content: 'kept' }), { cache: false })).router)
    expect((await send(none, { body: same() })).headers['x-signalbox-cache']).toBeUndefined()
  })

  it.each([
    ['no-store', ['miss', 'bypass', 'hit'], 2],
    ['no-cache', ['miss', 'miss', 'hit'], 2],
    ['max-age=60, no-transform', ['miss', 'hit', 'hit'], 1],
  ])('follows the Cache-Control %s of the caller', async (wish, outcomes, requests) => {
    const { upstream, router } = await boxed()
    const to = await mount.serve(router)
    const answers = [
      await send(to, { body: same() }),
      await send(to, { body: same(), headers: { 'cache-control': wish } }),
      await send(to, { body: same() }),
    ]
    expect(answers.map(({ headers }) => headers['x-signalbox-cache'])).toEqual(outcomes)
    expect(upstream.requests).toHaveLength(requests)
  })

  it.each([
    { was: 'a stream', wants: 'a plain answer', first: { stream: true }, second: {} },
    { was: 'a plain answer', wants: 'a stream', first: {}, second: { stream: true } },
    { was: 'a stream', wants: 'a stream', first: { stream: true }, second: { stream: true } },
    {
      was: 'a stream with its usage',
      wants: 'one without',
      first: { stream: true, stream_options: { include_usage: true } },
      second: { stream: true },
    },
    {
      was: 'a stream without usage',
      wants: 'one with it',
      first: { stream: true },
      second: { stream: true, stream_options: { include_usage: true } },
    },
  ])('gives $wants of what was $was', async ({ first, second }) => {
    const provider = await simulatedProvider({ latencyScale: 0 })
    const router = routerOver([provider], { cache: {} })
    const to = await mount.serve(router)
    const body = (extra: object) => same({ messages: [{ role: 'user', content: 'What is 17 * 23?' }], ...extra })
    const one = await send(to, { body: body(first) })
    const other = await send(to, { body: body(second) })
    expect(provider.requests).toHaveLength(1)
    expect(other.headers['x-signalbox-cache']).toBe('hit')
    const said = ({ text }: { text: string }, streamed: boolean) =>
      streamed ? contentOf(text) : JSON.parse(text).choices[0].message.content
    expect(said(other, 'stream' in second)).toBe(said(one, 'stream' in first))
    expect(said(other, 'stream' in second)).toContain('391')
    const isStream = 'stream' in second
    expect(other.headers['content-type']).toContain(isStream ? 'text/event-stream' : 'application/json')
    expect(other.text).toMatch(isStream ? /data: \[DONE\]\n\n$/ : /"object":"chat.completion",.*"usage":\{/)
    const told = eventsOf(other.text).filter((data) => /"usage":\{/.test(data))
    expect(told).toHaveLength('stream_options' in second ? 1 : 0)
  })

  it('keeps no errors, no cut streams, and nothing that its caller left', async () => {
    const events = streamEvents({ content: ['a', 'b', 'c'] })
    const { upstream, router } = await boxed(
      inTurn(
        jsonError(400),
        [streamHead(), chunkEach(events.slice(0, 3)), reset()].flat(),
        [streamHead(), chunkEach(events.slice(0, 3)), wait(60_000)].flat(),
        completion({ content: 'whole' }),
      ),
      { retry: false },
    )
    const to = await mount.serve(router)
    expect((await send(to, { body: same() })).status).toBe(400)
    expect((await send(to, { body: same({ stream: true }) })).text).toContain('"error"')
    const { answered, leave } = begin(to, { body: same({ stream: true }) })
    await (await answered).until('"a"')
    leave()
    await eventually(() => upstream.requests.at(-1)!.closedByPeer !== undefined)
    const whole = await send(to, { body: same() })
    expect([whole.headers['x-signalbox-cache'], upstream.requests.length]).toEqual(['miss', 4])
  })

  it('makes one call of 100 that ask the same at once, whoever of them leaves', async () => {
    const content = Array.from({ length: 30 }, (_, index) => `${index + 1}, `)
    const [role = '', first = '', ...rest] = streamEvents({ content })
    let open: (() => void) | undefined
    const gate = new Promise<void>((resolve) => (open = resolve))
    const { upstream, router } = await boxed(
      [streamHead(), chunk(role + first), waitFor(gate), chunkEach(rest), lastChunk()].flat(),
    )
    const to = await mount.serve(router)
    const random = seededRandom(7)
    const callers = Array.from({ length: 100 }, () => begin(to, { body: same({ stream: true }) }))
    await Promise.all(callers.map(async ({ answered }) => (await answered).until('1, ')))
    // Nobody knows who leads: it may be one of those that leave.
    const staying = callers.filter(() => random() > 1 / 3)
    for (const one of callers) if (!staying.includes(one)) one.leave()
    open!()
    const answers = await Promise.all(staying.map(async ({ answered }) => (await answered).rest()))
    expect(answers.length).toBeGreaterThan(50)
    expect(new Set(answers.map(({ text }) => contentOf(text)))).toEqual(new Set([content.join('')]))
    expect(answers.every(({ text }) => eventsOf(text).at(-1) === '[DONE]')).toBe(true)
    expect(upstream.requests).toHaveLength(1)
    await eventually(() => router.status().cache!.hits >= answers.length - 1)
  })

  it('makes one call of plain calls and streams that ask the same at once', async () => {
    const provider = await simulatedProvider({ latencyScale: 0.05 })
    const to = await mount.serve(routerOver([provider], { cache: {} }))
    const body = (stream: boolean) => same({ stream, messages: [{ role: 'user', content: 'What is 17 * 23?' }] })
    const first = begin(to, { body: body(true) })
    await (await first.answered).until('data: {')
    const plain = await Promise.all([send(to, { body: body(false) }), send(to, { body: body(false) })])
    const streamed = contentOf((await (await first.answered).rest()).text)
    for (const answer of plain) expect(answer.json().choices[0].message.content).toBe(streamed)
    expect(plain.map(({ headers }) => headers['x-signalbox-cache'])).toEqual(['hit', 'hit'])
    expect(provider.requests).toHaveLength(1)
  })

  it('gives up the upstream when the last one has left, and not before', async () => {
    const upstream = await upstreamThat(
      [streamHead(), chunkEach(streamEvents({ content: ['a'] }).slice(0, 2)), wait(60_000)].flat(),
    )
    const to = await mount.serve(routerOver([upstream], { cache: {} }))
    const callers = Array.from({ length: 3 }, () => begin(to, { body: same({ stream: true }) }))
    for (const { answered } of callers) await (await answered).until('"a"')
    callers[0]!.leave()
    callers[1]!.leave()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(upstream.requests[0]!.closedByPeer).toBeUndefined()
    callers[2]!.leave()
    await eventually(() => upstream.requests[0]!.closedByPeer !== undefined)
    expect(upstream.requests).toHaveLength(1)
  })
})

describeMounts('Idempotency-Key', (mount) => {
  const keyed = (key: string, extra: object = {}, user = 'ada') => ({
    body: chat(extra),
    headers: { 'idempotency-key': key, 'x-user': user },
  })
  const identify = (req: { headers: Record<string, unknown> }) => ({ user: String(req.headers['x-user']) })

  it('case 59: makes one call of those that are under way, and of those that come later', async () => {
    const { upstream, router } = await boxed([wait(30), completion({ content: 'once' })].flat(), { cache: false })
    const to = await mount.serve(router, { identify })
    const answers = await Promise.all([send(to, keyed('k1')), send(to, keyed('k1')), send(to, keyed('k1'))])
    const later = await send(to, keyed('k1'))
    expect(upstream.requests).toHaveLength(1)
    expect(new Set([...answers, later].map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(later.headers['idempotent-replayed']).toBe('true')
  })

  it('case 59: refuses another request under the same key, but not that of another caller', async () => {
    const { upstream, router } = await boxed(undefined, { cache: false })
    const to = await mount.serve(router, { identify })
    await send(to, keyed('k2'))
    const other = await send(to, keyed('k2', { seed: 1 }))
    expect([other.status, other.json().error.code]).toEqual([400, 'idempotency_mismatch'])
    expect((await send(to, keyed('k2', { seed: 1 }, 'bob'))).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
  })

  it('may be sent again after a failure', async () => {
    const { upstream, router } = await boxed(inTurn(jsonError(500), completion({ content: 'now' })), {
      cache: false,
      retry: false,
    })
    const to = await mount.serve(router, { identify })
    expect((await send(to, keyed('k3'))).status).toBe(500)
    expect((await send(to, keyed('k3'))).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
  })
})
