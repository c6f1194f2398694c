import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { systemClock, type Clock } from './clock.ts'
import { makeCertificate, type CertificateKind } from './programmable-upstream/certificate.ts'
import { createConnection, type Connection } from './programmable-upstream/connection.ts'
import { jsonError } from './programmable-upstream/openai-fixtures.ts'
import { readBody, readHead, type RequestHead } from './programmable-upstream/read-request.ts'
import { recordRequest, type RecordedConnection, type RecordedRequest } from './programmable-upstream/records.ts'
import type { Script } from './programmable-upstream/steps.ts'

/** Says what to do with a request; `index` counts from 0 since this responder was set. */
export type Responder = (request: RecordedRequest, index: number) => Script | Promise<Script>

export interface ProgrammableUpstreamOptions {
  /** Speak TLS, with a certificate made for the occasion. @default plain TCP */
  tls?: CertificateKind
  /** What `wait`, `drip` and the times in the records go by. @default the machine's clock */
  clock?: Clock
}

export interface ProgrammableUpstream {
  /** For a client's `baseURL`: `http://127.0.0.1:PORT/v1`, or `https://` with TLS. */
  readonly baseUrl: string
  readonly port: number
  /** The certificate in PEM, to be passed as `ca` by a client that shall trust it; undefined without TLS. */
  readonly certificate: string | undefined
  /** Every request whose head came, oldest first. */
  readonly requests: readonly RecordedRequest[]
  readonly connections: readonly RecordedConnection[]
  /** What went wrong in scripts, responders and requests that were no HTTP. Good to be asserted empty. */
  readonly errors: readonly unknown[]
  /**
   * Sets what the requests from now on get: by default once their body is complete, with `at: 'head'` as soon as
   * their head is, while the body is still being read. @default a 500 that says nothing was set
   */
  respond(script: Script | Responder, options?: { at?: 'body' | 'head' }): void
  /** Sets what is done with each connection from now on before a request is read. */
  onConnect(script: Script): void
  openConnections(): number
  /** Ends every connection and script at once. */
  close(): Promise<void>
}

/**
 * Starts an HTTP/1.1 server on 127.0.0.1 that writes exactly the bytes it is told to, right or wrong, so that every
 * fault of the wire can be had on purpose. It reads requests with a content-length or chunked, keeps connections
 * alive, and answers `expect: 100-continue`.
 *
 * @example
 * const upstream = await startProgrammableUpstream()
 * const events = streamEvents({ content: ['Hel', 'lo'] })
 * upstream.respond([streamHead(), chunkEach(events.slice(0, 2)), reset()])
 * // ... call your set-up, which has upstream.baseUrl as a provider ...
 * await upstream.close()
 */
export async function startProgrammableUpstream(
  options: ProgrammableUpstreamOptions = {},
): Promise<ProgrammableUpstream> {
  const { clock = systemClock } = options
  const requests: RecordedRequest[] = []
  const connections: Connection[] = []
  const errors: unknown[] = []
  let respond = respondWith(jsonError(500, { message: 'The programmable upstream was given no script.' }), 'body')
  let greeting: Script = []
  const { server, certificate, tcpSockets } = listenTo(options.tls, (socket, tcpSocket) => {
    const connection = createConnection({ socket, tcpSocket, clock, id: connections.length })
    connections.push(connection)
    serve(connection).catch((error: unknown) => {
      errors.push(error)
      connection.destroy()
    })
  })
  const port = await listen(server)

  return {
    baseUrl: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}/v1`,
    port,
    certificate,
    requests,
    get connections() {
      return connections.map(({ record }) => record)
    },
    errors,
    respond(script, { at = 'body' } = {}) {
      respond = respondWith(script, at)
    },
    onConnect(script) {
      greeting = script
    },
    openConnections: () => connections.filter(({ record }) => record.open).length,
    async close() {
      const stopped = new Promise((resolve) => server.close(resolve))
      for (const connection of connections) connection.destroy()
      for (const socket of tcpSockets.values()) socket.destroy()
      await stopped
      for (const { record } of connections) record.open = false
    },
  }

  async function serve(connection: Connection) {
    await connection.run(greeting)
    while (!connection.closed.aborted) {
      const head = await readHead(connection.source)
      if (!head) return
      await answer(connection, head)
    }
  }

  async function answer(connection: Connection, head: RequestHead) {
    const place = { connectionId: connection.record.id, reused: connection.record.requests > 0 }
    const { record, addBody } = recordRequest(head, { ...place, index: requests.length, receivedAtMs: clock.now() })
    connection.record.requests += 1
    requests.push(record)
    const { scriptFor, at } = respond
    if (at === 'body' && /100-continue/i.test(head.headers.expect ?? '')) await connection.run(continueStep)
    const body = readBody(connection.source, head, addBody).then((complete) => (record.bodyComplete = complete))
    // Marks a rejection as handled until it is awaited below.
    body.catch(() => undefined)
    if (at === 'body' && !(await body)) return
    await connection.run(await scriptFor(record), record)
    await body
  }
}

const continueStep: Script = { name: 'continue', run: (context) => context.write('HTTP/1.1 100 Continue\r\n\r\n') }

interface Responding {
  scriptFor: (request: RecordedRequest) => Script | Promise<Script>
  at: 'body' | 'head'
}

function respondWith(script: Script | Responder, at: Responding['at']): Responding {
  let index = -1
  const scriptFor = (request: RecordedRequest) => {
    index += 1
    return typeof script === 'function' ? script(request, index) : script
  }
  return { scriptFor, at }
}

type Accept = (socket: Socket, tcpSocket: Socket) => void

interface Listener {
  server: Server
  certificate: string | undefined
  /** The TCP sockets below TLS, by the caller's port; handshakes that failed are among them. */
  tcpSockets: Map<number | undefined, Socket>
}

function listenTo(tls: CertificateKind | undefined, accept: Accept): Listener {
  const tcpSockets = new Map<number | undefined, Socket>()
  if (!tls) {
    const server = createServer({ noDelay: true }, (socket) => accept(socket, socket))
    return { server, certificate: undefined, tcpSockets }
  }
  const { key, cert } = makeCertificate(tls)
  const server = createTlsServer({ key, cert, ALPNProtocols: ['http/1.1'] }, (socket) => {
    accept(socket, tcpSockets.get(socket.remotePort) ?? socket)
  })
  server.on('connection', (tcpSocket: Socket) => {
    const { remotePort } = tcpSocket
    tcpSockets.set(remotePort, tcpSocket)
    tcpSocket.once('close', () => tcpSockets.delete(remotePort))
  })
  return { server, certificate: cert, tcpSockets }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

/**
 * Answers each request with the next script, the last one again and again.
 *
 * @example
 * upstream.respond(inTurn(jsonError(503), completion({ content: 'back again' })))
 */
export function inTurn(...scripts: readonly Script[]): Responder {
  if (scripts.length === 0) throw new TypeError('inTurn needs a script or more')
  return (_request, index) => scripts[Math.min(index, scripts.length - 1)]!
}

/** A port of 127.0.0.1 at which nothing listens: a connection to it is refused. */
export async function refusedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A host name that no resolver knows: for faults of DNS. */
export const unresolvableHost = 'unresolvable.invalid'
