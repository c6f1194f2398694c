import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { definePlugin } from '@signalbox/core'
import { completion } from '@signalbox/testkit'
import { mounts } from './support/mounts.ts'
import { eventually, routerOver, upstreamThat } from './support/routers.ts'

it.each(mounts.filter(({ name }) => name !== 'Express').map((mount) => ({ name: mount.name, mount })))(
  "a plugin's path hears over HTTP/2 that its caller left in the middle of a stream, on $name",
  async ({ mount }) => {
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
    const router = routerOver([await upstreamThat(completion({ content: '' }))], { plugins: [ticking] })
    const mounted = await mount.serve(router)
    const server = createServer((req, res) => void mounted.server.emit('request', req, res)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    const request = session.request({ ':method': 'GET', ':path': '/v1/plugins/ticking/ticks' })
    await once(request, 'data')

    request.close(8)

    await eventually(() => heard.length > 0)
    expect(heard).toEqual(['left'])
  },
)
