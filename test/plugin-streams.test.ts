import { expect, it, vi } from 'vitest'
import { type Logger, type Reply, definePlugin, refuse, streamOf } from '@signalbox/core'
import { chunk, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { dataOf, speakers } from './support/dialects.ts'
import { describeReaches } from './support/mounts.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

/** An upstream that says something, and then stands still. */
const talking = () =>
  upstreamThat([
    streamHead(),
    ...streamEvents({ content: ['Hel', 'lo '.repeat(100)] })
      .slice(0, 3)
      .map(chunk),
    hang(),
  ])

/** A plugin with a stream of its own, made of the answer's chunks. */
const streaming = (make: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) => {
  const own = (reply: Reply): Reply =>
    reply.body instanceof Uint8Array ? reply : { ...reply, body: streamOf(make(reply.body)) }
  return (stage: 'guard' | 'admit') =>
    definePlugin({ name: 'own', call: { stage, run: async (call, next) => own(await next(call)) } })
}

const censor = (failure: unknown) =>
  streaming(async function* censored(chunks) {
    for await (const piece of chunks) {
      if (Buffer.from(piece).includes('lo lo')) throw failure
      yield piece
    }
  })

const ignored = () => undefined
const logged = () => ({ debug: ignored, info: ignored, warn: ignored, error: vi.fn<Logger['error']>() })

describeReaches('a plugin that breaks its stream off', (reach) => {
  // Outside of the cache, and inside, where the stream is shared.
  const places = speakers.flatMap((speaker) => (['guard', 'admit'] as const).map((stage) => ({ ...speaker, stage })))

  it.each(places)('refuses the rest in its own words at $stage: $name', async ({ stage, path, request, ...read }) => {
    const upstream = await talking()
    const log = logged()
    const plugins = [censor(refuse('This answer is withheld.'))(stage)]
    const { url, fetch } = await reach(
      routerOver([upstream], { plugins, cache: { deterministicOnly: false }, logger: log }),
    )
    const res = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(request({ stream: true })) })
    const events = dataOf(await res.text())
    expect(events.filter((event) => read.deltaOf(event) !== '').map(read.deltaOf)).toEqual(['Hel'])
    const last: unknown = events.at(-1)
    expect(read.isError(last)).toBe(true)
    expect(read.errorOf(last)).toMatchObject({ code: 'refused', message: 'This answer is withheld.' })
    expect(log.error).not.toHaveBeenCalled()
    await vi.waitFor(() => expect(upstream.requests[0]!.closedByPeer).toBeDefined())
  })

  it('is named where it fails, and the log has why', async () => {
    const upstream = await talking()
    const log = logged()
    const cause = new Error('secret')
    const { url, fetch } = await reach(routerOver([upstream], { plugins: [censor(cause)('guard')], logger: log }))
    const [chat] = speakers
    const body = JSON.stringify(chat!.request({ stream: true }))
    const text = await (await fetch(`${url}${chat!.path}`, { method: 'POST', body })).text()
    expect(text).toContain('The plugin \\"own\\" failed in its stream')
    expect(text).not.toContain('secret')
    expect(log.error).toHaveBeenCalledWith(
      { err: expect.objectContaining({ plugin: 'own', cause }) },
      expect.any(String),
    )
  })
})

describeReaches('a caller who leaves while a plugin streams', (reach) => {
  it('ends the stream of the plugin, wherever it stands, and is no failure of it', async () => {
    const upstream = await talking()
    let open = 0
    const holding = streaming(async function* held(chunks) {
      open++
      try {
        // More than any buffer on the way takes: it waits for a reader who reads no more.
        for await (const piece of chunks) for (let times = 0; times < 64; times++) yield Buffer.concat([piece, filler])
      } finally {
        open--
      }
    })
    const log = logged()
    const { url, fetch } = await reach(routerOver([upstream], { plugins: [holding('guard')], logger: log }))
    const [chat] = speakers
    const body = JSON.stringify(chat!.request({ stream: true }))
    const leaving = new AbortController()
    const res = await fetch(`${url}${chat!.path}`, { method: 'POST', body, signal: leaving.signal })
    const reader = res.body!.getReader()
    await reader.read()
    expect(open).toBe(1)
    await reader.cancel()
    await vi.waitFor(() => expect(open).toBe(0))
    await vi.waitFor(() => expect(upstream.requests[0]!.closedByPeer).toBeDefined())
    expect(log.error).not.toHaveBeenCalled()
  })
})

const filler = Buffer.alloc(1024 * 1024, ' ')
