import { once } from 'node:events'
import { type ClientHttp2Session, type Http2Server, connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Router, definePlugin } from '@signalbox/core'
import { chunk, completion, hang, stream, streamEvents, streamHead } from '@signalbox/testkit'
import { chat, contentOf } from './support/caller.ts'
import { type Mount, mounts } from './support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

interface Served {
  readonly server: Http2Server
  readonly session: ClientHttp2Session
  /** What the host was told of as its own errors. */
  readonly hostErrors: readonly unknown[]
}

/** A mount behind a server of HTTP/2, and a session with it. Express has none of its own. */
async function serve(mount: Mount, router: Router): Promise<Served> {
  const mounted = await mount.serve(router)
  const server = createServer((req, res) => void mounted.server.emit('request', req, res))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => {
    session.destroy()
    server.close()
  })
  return { server, session, hostErrors: mounted.hostErrors }
}

/** Sends a call, and waits until its stream is closed. */
async function send(session: ClientHttp2Session, body: string): Promise<{ status: unknown; text: string }> {
  const request = session.request({ ':method': 'POST', ':path': '/v1/chat/completions' })
  const chunks: Buffer[] = []
  let status: unknown
  request.on('response', (headers) => (status = headers[':status']))
  request.on('data', (part: Buffer) => chunks.push(part))
  request.end(body)
  await once(request, 'close')
  return { status, text: Buffer.concat(chunks).toString() }
}

describe.each(mounts.filter(({ name }) => name !== 'Express'))('HTTP/2, on $name', (mount) => {
  it('carries answers and streams', async () => {
    const events = streamEvents({ content: ['an ', 'answer'] })
    const upstream = await upstreamThat(completion({ content: 'an answer' }))
    const { session } = await serve(mount, routerOver([upstream]))

    const plain = await send(session, JSON.stringify(chat()))
    upstream.respond(stream(events))
    const streamed = await send(session, JSON.stringify(chat({ stream: true })))

    expect(JSON.parse(plain.text).choices[0].message.content).toBe('an answer')
    expect(contentOf(streamed.text)).toBe('an answer')
  })

  it.each([200_000, 5_000_000])('ends the stream of a body of %d bytes that is refused for its size', async (size) => {
    const warnings: Error[] = []
    const warn = (warning: Error) => warnings.push(warning)
    process.on('warning', warn)
    onTestFinished(() => void process.off('warning', warn))
    const router = routerOver([await upstreamThat(completion({ content: 'an answer' }))], { maxRequestBytes: 100_000 })
    const { server, session } = await serve(mount, router)
    let open = 0
    server.on('stream', (one) => {
      open += 1
      one.on('close', () => (open -= 1))
    })

    const refused = await send(session, JSON.stringify(chat({ padding: 'x'.repeat(size) })))

    expect(refused.status).toBe(413)
    expect(JSON.parse(refused.text).error.code).toBe('request_too_large')
    await eventually(() => open === 0)
    expect((await send(session, JSON.stringify(chat()))).status).toBe(200)
    expect(warnings).toEqual([])
  })

  it("tells a plugin's path that its caller left in the middle of a stream", async () => {
    const heard: string[] = []
    const ticking = definePlugin({
      name: 'ticking',
      paths: [
        {
          path: '/ticks',
          access: 'caller',
          answer: ({ signal }) => ({
            body: (async function* ticks() {
              yield Buffer.from('tick\n')
              await new Promise((resolve) => signal.addEventListener('abort', resolve))
              heard.push('left')
            })(),
          }),
        },
      ],
    })
    const upstream = await upstreamThat(completion({ content: '' }))
    const { session } = await serve(mount, routerOver([upstream], { plugins: [ticking] }))
    const request = session.request({ ':method': 'GET', ':path': '/v1/plugins/ticking/ticks' })
    await once(request, 'data')

    request.close(8)

    await eventually(() => heard.length > 0)
    expect(heard).toEqual(['left'])
  })

  it('takes a caller who leaves in the middle of a stream for no error of the app', async () => {
    const [role, first] = streamEvents({ content: ['Hel'] }) as [string, string]
    const router = routerOver([await upstreamThat([streamHead(), chunk(role), chunk(first), hang()])])
    const told = listenTo(router)
    const { session, hostErrors } = await serve(mount, router)
    const request = session.request({ ':method': 'POST', ':path': '/v1/chat/completions' })
    request.end(JSON.stringify(chat({ stream: true })))
    await once(request, 'data')

    request.close(8)

    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({ ended: { how: 'cancelled' } })
    await new Promise((resolve) => setImmediate(resolve))
    expect(hostErrors).toEqual([])
  })
})
