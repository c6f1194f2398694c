import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { readBody } from '@signalbox/core'
import {
  chunk,
  completion,
  hang,
  jsonError,
  lastChunk,
  repeat,
  stream,
  streamEvents,
  streamHead,
  waitFor,
} from '@signalbox/testkit'
import { type OpenAnswer, begin, chat, eventsOf, open, send } from './support/caller.ts'
import { describeHosts } from './support/mounts.ts'
import { closedGate, eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

const [role, hel, lo, ...finish] = streamEvents({ content: ['Hel', 'lo'] }) as [string, string, string, ...string[]]
const streamed = { body: chat({ stream: true }) }

/** How soon an upstream must be let go after its caller left. The storm measures the 50 ms; a busy machine gets more here. */
const soonMs = 1_000

describeHosts('a caller who leaves', (mount) => {
  it.each([
    { when: 'before a plain answer', sent: { body: chat() }, script: hang() },
    { when: 'before the head of a stream', sent: streamed, script: hang() },
    { when: 'before the content of a stream', sent: streamed, script: [streamHead(), chunk(role), hang()] },
  ])('$when closes the upstream at once, and nothing else is tried', async ({ sent, script }) => {
    const first = await upstreamThat(script)
    const second = await upstreamThat(completion({ content: '' }))
    const router = routerOver([first, second])
    const told = listenTo(router)
    const caller = begin(await mount.serve(router), sent)
    await eventually(() => first.requests[0]?.bodyComplete === true)

    caller.leave()
    const leftAtMs = performance.now()

    await eventually(() => first.requests[0]!.closedByPeerAtMs !== undefined)
    expect(first.requests[0]!.closedByPeerAtMs! - leftAtMs).toBeLessThan(soonMs)
    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({
      error: { code: 'cancelled' },
      record: { attempts: [{ model: 'first', outcome: 'cancelled' }], failovers: [] },
    })
    expect(second.requests).toHaveLength(0)
    expect(first.requests).toHaveLength(1)
  })

  it.each([
    { how: 'closing', leave: (answer: OpenAnswer) => answer.leave() },
    { how: 'resetting', leave: ({ message }: OpenAnswer) => message.socket.resetAndDestroy() },
  ])(
    'in the middle of a stream, $how it, closes the upstream at once, and what was used is counted',
    async ({ leave }) => {
      const first = await upstreamThat([streamHead(), chunk(role), chunk(hel), chunk(lo), hang()])
      const second = await upstreamThat(completion({ content: '' }))
      const router = routerOver([first, second])
      const told = listenTo(router)
      const mounted = await mount.serve(router)
      const answer = await open(mounted, streamed)
      await answer.until(lo)

      leave(answer)
      const leftAtMs = performance.now()

      await eventually(() => first.requests[0]!.closedByPeerAtMs !== undefined)
      expect(first.requests[0]!.closedByPeerAtMs! - leftAtMs).toBeLessThan(soonMs)
      await eventually(() => told.some(({ event }) => event === 'call.ended'))
      expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toMatchObject({
        how: 'cancelled',
        estimated: true,
        usage: { outputTokens: 2 },
      })
      expect(second.requests).toHaveLength(0)
      await new Promise((resolve) => mounted.server.close(resolve))
      expect(mounted.hostErrors).toEqual([])
    },
  )

  it('while a failed attempt waits to be repeated ends the wait, and nothing more is tried', async () => {
    const upstream = await upstreamThat(jsonError(503, { code: 'server_is_overloaded' }, { 'retry-after': 60 }))
    const router = routerOver([upstream])
    const told = listenTo(router)
    const caller = begin(await mount.serve(router), { body: chat() })
    await eventually(() => told.some(({ event }) => event === 'attempt.ended'))

    caller.leave()

    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload.error).toMatchObject({ code: 'cancelled' })
    expect(upstream.requests).toHaveLength(1)
  })

  it('before the request is whole leaves nothing behind, and no model is asked', async () => {
    const upstream = await upstreamThat(completion({ content: '' }))
    const mounted = await mount.serve(routerOver([upstream]))
    const sockets = new Set<Socket>()
    mounted.server.on('connection', (socket) => sockets.add(socket))
    const caller = begin(mounted, { body: chat(), headers: { 'content-length': '10000' } })
    await eventually(() => [...sockets].some(({ bytesRead }) => bytesRead > 100))

    caller.leave()

    await eventually(() => [...sockets].every(({ destroyed }) => destroyed))
    expect(upstream.requests).toHaveLength(0)
  })

  it('leaves others alone', async () => {
    const upstream = await upstreamThat((_request, index) =>
      index === 0 ? hang() : stream([role, hel, lo, ...finish]),
    )
    const mounted = await mount.serve(routerOver([upstream]))
    const caller = begin(mounted, streamed)
    await eventually(() => upstream.requests.length === 1)
    const other = open(mounted, streamed)

    caller.leave()

    expect((await (await other).rest()).text).toBe([role, hel, lo, ...finish].join(''))
  })
})

describeHosts('a slow reader', (mount) => {
  const block = streamEvents({ content: ['x'.repeat(64 * 1024)], role: false, finishReason: null, done: false }).join(
    '',
  )
  const blocks = 600
  const flood = [streamHead(), chunk(role), repeat(blocks, chunk(block)), ...finish.map(chunk), lastChunk()]

  it(
    'slows the provider down instead of filling the memory, and still gets all of it',
    { timeout: 20_000 },
    async () => {
      const upstream = await upstreamThat(flood)
      const answer = await open(await mount.serve(routerOver([upstream])), streamed)
      answer.message.pause()
      const record = upstream.requests[0]!
      let before = -1
      while (record.bytesSent > before || before <= 0) {
        before = record.bytesSent
        await new Promise((resolve) => setTimeout(resolve, 60))
      }

      // What the kernel holds on four sockets, and at the most 1 MiB of our own.
      expect(record.bytesSent).toBeLessThan(24 * 1024 * 1024)

      let bytes = 0
      let tail = ''
      for await (const part of answer.message as AsyncIterable<Buffer>) {
        bytes += part.length
        tail = (tail + part.toString()).slice(-100)
      }
      expect(bytes).toBe(role.length + block.length * blocks + finish.join('').length)
      expect(tail).toContain('[DONE]')
      answer.leave()
    },
  )

  it('who stops reading for too long loses the provider, and finds an error event if he comes back', async () => {
    const upstream = await upstreamThat(flood)
    const router = routerOver([upstream], { timeouts: { stallMs: 800 } })
    const told = listenTo(router)
    const answer = await open(await mount.serve(router), streamed)
    answer.message.pause()

    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toMatchObject({ how: 'cancelled' })
    await eventually(() => upstream.openConnections() === 0)

    const { text } = await answer.rest()
    expect(JSON.parse(eventsOf(text).at(-1)!)).toMatchObject({
      error: { type: 'upstream_error', code: 'stream_timeout' },
    })
    expect(text).not.toContain('[DONE]')
  })
})

describeHosts('a router that closes', (mount) => {
  it('refuses new calls with 503 and when to come back, and says that it is not ready', async () => {
    const upstream = await upstreamThat(completion({ content: '' }))
    const router = routerOver([upstream])
    const mounted = await mount.serve(router)
    await router.close()

    const answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(503)
    expect(answer.headers).toMatchObject({ 'retry-after': '5', 'retry-after-ms': '5000' })
    expect(answer.json().error).toMatchObject({ type: 'service_unavailable', code: 'shutting_down' })
    expect((await send(mounted, { method: 'GET', path: '/health/ready' })).status).toBe(503)
    expect((await send(mounted, { method: 'GET', path: '/health/live' })).status).toBe(200)
    expect(upstream.requests).toHaveLength(0)
  })

  it('lets streams and plain answers under way come to their end', async () => {
    const gate = closedGate()
    const upstream = await upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream
        ? [streamHead(), chunk(role), chunk(hel), waitFor(gate.opened), ...[lo, ...finish].map(chunk), lastChunk()]
        : [waitFor(gate.opened), completion({ content: 'an answer' })],
    )
    const router = routerOver([upstream])
    const mounted = await mount.serve(router)
    const streaming = await open(mounted, streamed)
    await streaming.until(hel)
    const plain = begin(mounted, { body: chat() })
    await eventually(() => upstream.requests.length === 2)

    const closed = router.close()
    expect((await send(mounted, { body: chat() })).status).toBe(503)
    gate.open()

    expect((await streaming.rest()).text).toBe([role, hel, lo, ...finish].join(''))
    expect((await (await plain.answered).rest()).json().choices[0].message.content).toBe('an answer')
    await closed
    await eventually(() => upstream.openConnections() === 0)
  })

  it('cuts what takes too long: a stream with an error event, a plain answer with an error', async () => {
    const upstream = await upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream ? [streamHead(), chunk(role), chunk(hel), hang()] : hang(),
    )
    const router = routerOver([upstream])
    const mounted = await mount.serve(router)
    const streaming = await open(mounted, streamed)
    await streaming.until(hel)
    const plain = begin(mounted, { body: chat() })
    await eventually(() => upstream.requests.length === 2)

    await router.close({ timeoutMs: 20 })

    const { text, complete } = await streaming.rest()
    expect(complete).toBe(true)
    expect(JSON.parse(eventsOf(text).at(-1)!)).toMatchObject({
      error: { type: 'upstream_error', code: 'stream_interrupted' },
    })
    expect(text).not.toContain('[DONE]')
    expect((await (await plain.answered).rest()).status).toBeGreaterThanOrEqual(502)
    await eventually(() => upstream.openConnections() === 0)
  })

  it('closes once, however often it is asked to', async () => {
    const router = routerOver([await upstreamThat(completion({ content: 'an answer' }))])
    const mounted = await mount.serve(router)
    await readBody(await router.handle({ body: chat() }))

    const [first, second] = [router.close(), router.close()]

    expect(first).toBe(second)
    await first
    expect((await send(mounted, { body: chat() })).status).toBe(503)
  })
})
