import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, it } from 'vitest'
import { chunk, completion, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { begin, chat, send } from './support/caller.ts'
import { type Mounted, describeHosts } from './support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

/** Lets something of the host's be at every request first, as a middleware is. */
function before({ server }: Mounted, middleware: (req: IncomingMessage, res: ServerResponse) => void): void {
  server.prependListener('request', middleware)
}

describeHosts('a host that ends a response itself', (mount) => {
  it('before the answer is there, as when its own time is up, closes the upstream at once', async () => {
    const upstream = await upstreamThat(hang())
    const router = routerOver([upstream])
    const told = listenTo(router)
    const mounted = await mount.serve(router)
    const responses: ServerResponse[] = []
    before(mounted, (_req, res) => responses.push(res))
    const caller = begin(mounted, { body: chat() })
    await eventually(() => upstream.requests[0]?.bodyComplete === true)

    responses[0]!.statusCode = 503
    responses[0]!.end('too late')

    expect(await (await caller.answered).rest()).toMatchObject({ status: 503, text: 'too late' })
    await eventually(() => upstream.requests[0]!.closedByPeerAtMs !== undefined)
    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload.error).toMatchObject({ code: 'cancelled' })
  })

  it('in the middle of a stream closes the upstream, and no error is left unheard', async () => {
    const [role, hel, lo] = streamEvents({ content: ['Hel', 'lo'] }) as [string, string, string]
    const upstream = await upstreamThat([streamHead(), chunk(role), chunk(hel), chunk(lo), hang()])
    const router = routerOver([upstream])
    const told = listenTo(router)
    const mounted = await mount.serve(router)
    const unheard: unknown[] = []
    before(mounted, (_req, res) => {
      const write = res.write.bind(res) as (bytes: Uint8Array) => boolean
      const emit = res.emit.bind(res)
      // Writes go on in the same turn, before the response can say that it is closed.
      res.write = (bytes: Uint8Array) => write(bytes) && res.end() && write(bytes)
      res.emit = (event: string, ...values: unknown[]) => {
        if (event === 'error' && res.listenerCount('error') === 0) return unheard.push(values) > 0
        return emit(event, ...values)
      }
    })

    const answer = await send(mounted, { body: chat({ stream: true }) })

    expect(answer.status).toBe(200)
    await eventually(() => upstream.requests[0]!.closedByPeerAtMs !== undefined)
    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toMatchObject({ how: 'cancelled' })
    expect(unheard).toEqual([])
  })
})

describeHosts('what stands between the router and the socket', (mount) => {
  it('reads the text of an answer as it is', async () => {
    const content = 'Xin chào Đà Nẵng, 日本語 🚂'
    const mounted = await mount.serve(routerOver([await upstreamThat(completion({ content }))]))
    const seen: string[] = []
    before(mounted, (_req, res) => {
      const end = res.end.bind(res) as (...values: unknown[]) => ServerResponse
      res.end = (...[bytes, ...rest]: unknown[]) => {
        // So do adapters to the functions of a cloud, whatever the encoding: they keep what a socket is given.
        seen.push(Buffer.from(bytes as string | Uint8Array).toString())
        return end(bytes, ...rest)
      }
    })

    const answer = await send(mounted, { body: chat() })

    expect(answer.json().choices[0].message.content).toBe(content)
    expect(seen).toEqual([answer.text])
  })
})

describeHosts('a session that rejects', (mount) => {
  it.each([undefined, null, 'no such session'])('with %j is told as what it is', async (reason) => {
    const router = routerOver([await upstreamThat(completion({ content: 'an answer' }))])
    const mounted = await mount.serve(router, { identify: () => Promise.reject(reason) })

    const answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(500)
    expect(answer.json().error.message).toBe('The caller could not be identified')
  })
})
