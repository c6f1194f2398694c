import { once } from 'node:events'
import { createServer, request as requestOver1 } from 'node:http'
import { connect, createServer as createServer2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { expect, it, onTestFinished } from 'vitest'
import { signalbox } from '@signalbox/koa'
import { completion } from '@signalbox/testkit'
import { chat } from './support/caller.ts'
import { closedGate, eventually, routerOver, upstreamThat } from './support/routers.ts'

it.each(['HTTP/1', 'HTTP/2'] as const)(
  "lets Koa's middleware go on that waits for a call whose caller left over %s before its body was read",
  async (over) => {
    const upstream = await upstreamThat(completion({ content: '' }))
    const [entered, gate, left] = [closedGate(), closedGate(), closedGate()]
    let settled = false
    const app = new Koa()
    app.on('error', () => undefined)
    app.use(async (ctx, next) => {
      ctx.res.on('close', left.open)
      entered.open()
      await gate.opened
      await next().finally(() => (settled = true))
    })
    app.use(signalbox(routerOver([upstream]), { prefix: '/v1' }))
    const handle = app.callback()
    const body = JSON.stringify(chat())
    const path = '/v1/chat/completions'
    let leave: () => void
    if (over === 'HTTP/1') {
      const server = createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1')
      onTestFinished(() => void server.close())
      await once(server, 'listening')
      const req = requestOver1({ port: (server.address() as AddressInfo).port, path, method: 'POST' })
      req.on('error', () => undefined).end(body)
      leave = () => req.destroy()
    } else {
      const server = createServer2((req, res) => void handle(req as never, res as never)).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      onTestFinished(() => {
        session.destroy()
        server.close()
      })
      const req = session.request({ ':method': 'POST', ':path': path })
      req.on('error', () => undefined).end(body)
      leave = () => req.close(8)
    }
    await entered.opened

    leave()
    await left.opened
    gate.open()

    await eventually(() => settled)
    expect(upstream.requests).toHaveLength(0)
  },
)
