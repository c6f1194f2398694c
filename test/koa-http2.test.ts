import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { chunk, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { chat } from './support/caller.ts'
import { mounts } from './support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

it('a caller who leaves in the middle of a stream over HTTP/2 is no error of a Koa app', async () => {
  const [role, first] = streamEvents({ content: ['Hel'] }) as [string, string]
  const router = routerOver([await upstreamThat([streamHead(), chunk(role), chunk(first), hang()])])
  const told = listenTo(router)
  const mounted = await mounts.find(({ name }) => name === 'Koa')!.serve(router)
  const server = createServer((req, res) => void mounted.server.emit('request', req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => {
    session.destroy()
    server.close()
  })
  const request = session.request({ ':method': 'POST', ':path': '/v1/chat/completions' })
  request.end(JSON.stringify(chat({ stream: true })))
  await once(request, 'data')

  request.close(8)

  await eventually(() => told.some(({ event }) => event === 'call.ended'))
  expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({ ended: { how: 'cancelled' } })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(mounted.hostErrors).toEqual([])
})
