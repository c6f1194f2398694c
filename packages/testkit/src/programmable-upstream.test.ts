import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import {
  completion,
  cut,
  end,
  hang,
  inTurn,
  json,
  refusedPort,
  repeat,
  reply,
  reset,
  resetWhenReused,
  startProgrammableUpstream,
  step,
  stopReading,
  wait,
  waitFor,
  write,
  type ProgrammableUpstreamOptions,
} from './index.ts'

async function start(options: ProgrammableUpstreamOptions = {}) {
  const upstream = await startProgrammableUpstream(options)
  onTestFinished(() => upstream.close())
  return upstream
}

describe('a request', () => {
  it('is recorded byte for byte', async () => {
    const upstream = await start()
    upstream.respond(json({ ok: true }))
    const rawHead = 'POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two:  2\r\nContent-Length: 10\r\n\r\n'
    const caller = dial(upstream.port)
    caller.socket.write(`${rawHead}{"a":"é"}`.slice(0, 40))
    await turns()
    caller.socket.write(`${rawHead}{"a":"é"}`.slice(40))
    await until(() => caller.text().endsWith('{"ok":true}'))
    expect(upstream.requests).toHaveLength(1)
    const [request] = upstream.requests
    expect(request!.rawHead.toString()).toBe(rawHead)
    expect(request).toMatchObject({
      index: 0,
      method: 'POST',
      path: '/v1/x?y=1',
      httpVersion: '1.1',
      headers: { host: 'a', 'x-two': '1, 2' },
      connectionId: 0,
      reused: false,
      bodyComplete: true,
    })
    expect([request!.body.toString(), request!.json()]).toEqual(['{"a":"é"}', { a: 'é' }])
    expect(request!.headerList.slice(1, 3)).toEqual([
      ['X-Two', '1'],
      ['x-two', '2'],
    ])
  })

  it('with a chunked body in many packets is put together', async () => {
    const upstream = await start()
    upstream.respond(reply({ body: 'ok' }))
    const caller = dial(upstream.port)
    const bytes =
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'
    for (const piece of cut(bytes, { every: 7 })) {
      caller.socket.write(piece)
      await turns()
    }
    await until(() => caller.text().endsWith('ok'))
    expect([upstream.requests[0]!.body.toString(), upstream.requests[0]!.bodyComplete]).toEqual(['abc0123456789', true])
  })

  it('may be answered in turn, by a function, or with a 500 when nothing was set', async () => {
    const upstream = await start()
    const url = `${upstream.baseUrl}/chat/completions`
    expect((await fetch(url)).status).toBe(500)
    upstream.respond(inTurn(reply({ status: 503 }), completion({ content: 'back' })))
    const statuses = [await fetch(url), await fetch(url), await fetch(url)].map(({ status }) => status)
    expect(statuses).toEqual([503, 200, 200])
    upstream.respond(({ method, index }, since) => json({ method, index, since }))
    expect(await (await fetch(url, { method: 'DELETE' })).json()).toEqual({ method: 'DELETE', index: 4, since: 0 })
  })

  it('can be refused while its body is still coming', async () => {
    const upstream = await start()
    upstream.respond([reply({ status: 413 }), waitFor(turns())], { at: 'head' })
    const caller = dial(upstream.port)
    caller.socket.write('POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf')
    await until(() => caller.text().includes(' 413 '))
    expect(upstream.requests[0]).toMatchObject({ bodyComplete: false })
    caller.socket.write('-there')
    await until(() => upstream.requests[0]!.bodyComplete)
    expect(upstream.requests[0]!.body.toString()).toBe('half-there')
  })

  it('that expects 100-continue is told to go on', async () => {
    const upstream = await start()
    upstream.respond(reply({ body: 'done' }))
    const answer = await new Promise<string>((resolve) => {
      const request = httpRequest({
        port: upstream.port,
        method: 'POST',
        headers: { expect: '100-continue', 'content-length': 2 },
      })
      request.on('continue', () => request.end('ok'))
      request.on('response', (response) => response.on('data', (bytes) => resolve(String(bytes))))
    })
    expect([answer, upstream.requests[0]!.body.toString()]).toEqual(['done', 'ok'])
  })

  it('that is no HTTP is reported', async () => {
    const upstream = await start()
    const caller = dial(upstream.port)
    caller.socket.write('hello there\r\n\r\n')
    await caller.closed
    expect(upstream.errors.map(String)).toEqual(['Error: no HTTP request: "hello there"'])
  })
})

describe('a connection', () => {
  it('is kept alive, and the records say which requests reused it', async () => {
    const upstream = await start()
    upstream.respond(reply({ body: 'x' }))
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    for (let turn = 0; turn < 3; turn += 1) await get(upstream.port, agent)
    expect(upstream.requests.map(({ connectionId, reused }) => [connectionId, reused])).toEqual([
      [0, false],
      [0, true],
      [0, true],
    ])
    expect(upstream.connections).toMatchObject([{ id: 0, requests: 3, open: true, closedByPeer: undefined }])
    agent.destroy()
    await until(() => upstream.openConnections() === 0)
    expect(upstream.connections[0]!.closedByPeer).toBe('fin')
    expect(upstream.requests[2]!.closedByPeer).toBeUndefined()
  })

  it('is reset when it is reused', async () => {
    const upstream = await start()
    upstream.respond(resetWhenReused(reply({ body: 'x' })))
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    expect(await get(upstream.port, agent)).toBe('x')
    await expect(get(upstream.port, agent)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await get(upstream.port, agent)).toBe('x')
    expect(upstream.requests.map(({ reused }) => reused)).toEqual([false, true, false])
  })

  it.each([
    ['reset', reset(), 'ECONNRESET'],
    ['end', end(), undefined],
  ] as const)('ended by the script (%s) is not counted as closed by the caller', async (_name, step_, code) => {
    const upstream = await start()
    upstream.respond([write('HTTP/1.1 200 OK\r\n'), step_, write('never')])
    const caller = dial(upstream.port)
    caller.socket.write('GET / HTTP/1.1\r\n\r\n')
    expect(await caller.closed).toBe(code)
    expect(caller.text()).toBe('HTTP/1.1 200 OK\r\n')
    await until(() => upstream.openConnections() === 0)
    expect(upstream.requests[0]).toMatchObject({ scriptDone: true, closedByPeer: undefined, bytesSent: 17 })
    expect(upstream.connections[0]!.closedByPeer).toBeUndefined()
  })

  it.each([
    ['fin', (socket: Socket) => socket.destroy()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ] as const)('closed by the caller (%s) is recorded with its time, and ends the script', async (how, leave) => {
    const clock = createFakeClock()
    const upstream = await start({ clock })
    upstream.respond([hang(), step('never', () => expect.unreachable())])
    const caller = dial(upstream.port)
    caller.socket.write('GET / HTTP/1.1\r\n\r\n')
    await until(() => upstream.requests.length === 1)
    await clock.advance(250)
    leave(caller.socket)
    await until(() => upstream.openConnections() === 0)
    const closed = { closedByPeer: how, closedByPeerAtMs: 250 }
    expect(upstream.requests[0]).toMatchObject({ ...closed, receivedAtMs: 0, scriptDone: false })
    expect(upstream.connections[0]).toMatchObject(closed)
    expect(upstream.errors).toEqual([])
  })

  it('may be reset before a request is read', async () => {
    const upstream = await start()
    upstream.onConnect(reset())
    const caller = dial(upstream.port)
    expect(await caller.closed).toBe('ECONNRESET')
    expect([upstream.connections.length, upstream.requests.length]).toEqual([1, 0])
  })

  it('does not take more than the caller reads', async () => {
    const upstream = await start()
    upstream.respond(repeat(Infinity, write(Buffer.alloc(1 << 20))))
    const caller = dial(upstream.port)
    caller.socket.pause()
    caller.socket.write('GET / HTTP/1.1\r\n\r\n')
    await until(() => upstream.requests[0]?.bytesSent !== undefined && upstream.requests[0].bytesSent > 0)
    await turns(50)
    const { bytesSent } = upstream.requests[0]!
    await turns(50)
    expect(upstream.requests[0]!.bytesSent).toBe(bytesSent)
    expect(bytesSent).toBeLessThan(64 << 20)
  })

  it('backs up when the upstream stops reading', async () => {
    const upstream = await start()
    upstream.respond([stopReading(), hang()], { at: 'head' })
    const caller = dial(upstream.port)
    caller.socket.write(`POST / HTTP/1.1\r\nContent-Length: ${256 << 20}\r\n\r\n`)
    await until(() => upstream.requests.length === 1)
    caller.socket.write(Buffer.alloc(64 << 20))
    await turns(50)
    expect(caller.socket.writableLength).toBeGreaterThan(0)
    expect(upstream.requests[0]!.body.length).toBeLessThan(64 << 20)
  })

  it('waits by the clock it is given', async () => {
    const clock = createFakeClock()
    const upstream = await start({ clock })
    upstream.respond([wait(30_000), reply({ body: 'late' })])
    const answer = get(upstream.port)
    await until(() => clock.pendingTimers() === 1)
    await clock.advance(29_999)
    expect(upstream.requests[0]!.bytesSent).toBe(0)
    await clock.advance(1)
    expect(await answer).toBe('late')
  })
})

describe('an upstream', () => {
  it('closes at once whatever is going on', async () => {
    const upstream = await start()
    upstream.respond(inTurn(hang(), wait(3_600_000), waitFor(new Promise(() => {})), [reset(), hang()]))
    const callers = [1, 2, 3].map(() => dial(upstream.port))
    for (const { socket } of callers) socket.write('GET / HTTP/1.1\r\n\r\n')
    await until(() => upstream.requests.length === 3)
    await upstream.close()
    await Promise.all(callers.map(({ closed }) => closed))
    expect(upstream.openConnections()).toBe(0)
    await expect(fetch(upstream.baseUrl)).rejects.toThrow('fetch failed')
  })

  it('reports a script and a responder that throw', async () => {
    const upstream = await start()
    upstream.respond(step('boom', () => Promise.reject(new Error('step'))))
    await expect(get(upstream.port)).rejects.toMatchObject({ code: 'ECONNRESET' })
    upstream.respond(() => {
      throw new Error('responder')
    })
    await expect(get(upstream.port)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(upstream.errors.map(String)).toEqual(['Error: step', 'Error: responder'])
  })

  it('has a port that refuses connections', async () => {
    const caller = dial(await refusedPort())
    expect(await caller.closed).toBe('ECONNREFUSED')
  })
})

describe('TLS', () => {
  it('is trusted by a caller that knows the certificate', async () => {
    const upstream = await start({ tls: 'self-signed' })
    upstream.respond(inTurn(reply({ body: 'secret' }), [write('HTTP'), reset()]))
    const { text, code } = await getOverTls(upstream.port, upstream.certificate)
    expect([text.endsWith('secret'), code]).toEqual([true, undefined])
    expect(upstream.baseUrl).toBe(`https://127.0.0.1:${upstream.port}/v1`)
    const broken = await getOverTls(upstream.port, upstream.certificate)
    expect([broken.text, broken.code]).toEqual(['HTTP', 'ECONNRESET'])
  })

  it.each([
    ['self-signed', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['expired', true, 'CERT_HAS_EXPIRED'],
    ['wrong-host', true, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const)('is refused where it must be (%s)', async (tls, trusted, expected) => {
    const upstream = await start({ tls })
    const { code } = await getOverTls(upstream.port, trusted ? upstream.certificate : undefined)
    expect(code).toBe(expected)
    expect(upstream.requests).toEqual([])
  })
})

function dial(port: number) {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  let code: string | undefined
  socket.on('data', (bytes) => (received += bytes.toString('latin1')))
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code))
  const closed = new Promise<string | undefined>((resolve) => socket.on('close', () => resolve(code)))
  onTestFinished(() => void socket.destroy())
  return { socket, closed, text: () => received }
}

function get(port: number, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', ...(agent && { agent }) }, (response) => {
      let text = ''
      response.on('data', (bytes) => (text += String(bytes)))
      response.on('end', () => setImmediate(resolve, text))
    })
    request.on('error', reject)
    request.end()
  })
}

function getOverTls(port: number, ca: string | undefined) {
  return new Promise<{ text: string; code: string | undefined }>((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', ...(ca && { ca }) })
    let text = ''
    let code: string | undefined
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\n\r\n'))
    socket.on('data', (bytes) => {
      text += bytes.toString()
      if (text.endsWith('secret')) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code))
    socket.on('close', () => resolve({ text, code }))
  })
}

async function turns(count = 5) {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
}

async function until(condition: () => boolean) {
  for (let turn = 0; turn < 2_000 && !condition(); turn += 1) await turns(1)
  expect(condition()).toBe(true)
}
