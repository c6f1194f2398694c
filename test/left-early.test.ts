import { once } from 'node:events'
import { type IncomingMessage, type RequestListener, createServer, request as requestOver1 } from 'node:http'
import { connect, createServer as createServer2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Koa from 'koa'
import { koaBody } from 'koa-body'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Router } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as forExpress } from '@signalbox/express'
import { signalbox as forKoa } from '@signalbox/koa'
import { chunk, completion, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { chat, collect } from './support/caller.ts'
import { closedGate, eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

type Host = (router: Router, work: () => Promise<void>) => RequestListener

/** Hosts that parse the body, and then have something to do before the router gets the request: look up a session, say. */
const hosts: Record<string, Host> = {
  Express: (router, work) => {
    const app = express()
    app.use(express.json(), (_req, _res, next) => void work().then(() => next()))
    return app.use('/v1', forExpress(router))
  },
  Koa: (router, work) => {
    const app = new Koa()
    app.use(koaBody())
    app.use((_ctx, next) => work().then(next))
    app.use(forKoa(router, { prefix: '/v1' }))
    const handle = app.callback()
    return (req, res) => void handle(req, res)
  },
  listener: (router, work) => {
    const answer = listener(router)
    const prepared = async (req: IncomingMessage) => {
      Object.assign(req, { rawBody: Buffer.concat(await collect<Buffer>(req)) })
      await work()
    }
    return (req, res) => void prepared(req).then(() => answer(req, res))
  },
}

const headers = { 'content-type': 'application/json' }
const path = '/v1/chat/completions'

const protocols = {
  'HTTP/1': async (handle: RequestListener, body: string) => {
    const server = createServer(handle).listen(0, '127.0.0.1')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    const req = requestOver1({ port: (server.address() as AddressInfo).port, path, method: 'POST', headers })
    req.on('error', () => undefined)
    req.end(body)
    return { leave: () => req.destroy(), server }
  },
  'HTTP/2': async (handle: RequestListener, body: string) => {
    const server = createServer2((req, res) => handle(req as never, res as never)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    const req = session.request({ ':method': 'POST', ':path': path, ...headers })
    req.on('error', () => undefined)
    req.end(body)
    return { leave: () => req.close(8), server }
  },
}

const events = streamEvents({ content: ['Hello'] }) as [string, string]

describe.each(
  Object.keys(hosts)
    .flatMap((host) => (['HTTP/1', 'HTTP/2'] as const).map((over) => ({ host, over })))
    .filter(({ host, over }) => host === 'listener' || over === 'HTTP/1'),
)('a caller who left over $over while $host had something else to do', ({ host, over }) => {
  it.each([
    { asked: 'an answer', stream: false, script: [completion({ content: 'paid by somebody' })] },
    { asked: 'a stream', stream: true, script: [streamHead(), ...events.map(chunk), hang()] },
  ])('asks no model for $asked', async ({ stream, script }) => {
    const upstream = await upstreamThat(script)
    const router = routerOver([upstream])
    const told = listenTo(router)
    const [entered, gate] = [closedGate(), closedGate()]
    const work = () => (entered.open(), gate.opened)
    const left = closedGate()
    const handle: RequestListener = (req, res) => {
      res.on('close', left.open)
      hosts[host]!(router, work)(req, res)
    }
    const { leave } = await protocols[over](handle, JSON.stringify(chat({ stream })))
    await entered.opened

    leave()
    await left.opened
    gate.open()

    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(upstream.requests).toHaveLength(0)
    expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({ error: { code: 'cancelled' } })
  })
})
