import type { Socket } from 'node:net'
import { sleep, type Clock } from '../clock.ts'
import { letPeerRead } from '../let-peer-read.ts'
import { createByteSource, type ByteSource } from './byte-source.ts'
import type { PeerClose, RecordedConnection, RecordedRequest, Writable } from './records.ts'
import type { Script, StepContext } from './steps.ts'

/** An accepted connection: its bytes, its record, and scripts run on it. */
export interface Connection {
  readonly record: Writable<RecordedConnection>
  readonly source: ByteSource
  readonly closed: AbortSignal
  /** Runs a script for a request, or for the connection itself. */
  run(script: Script, request?: Writable<RecordedRequest>): Promise<void>
  end(): Promise<void>
  destroy(): void
}

export interface ConnectionParts {
  /** What is written to and read from. */
  socket: Socket
  /** The TCP socket below, which is another one with TLS. */
  tcpSocket: Socket
  clock: Clock
  id: number
}

export function createConnection({ socket, tcpSocket, clock, id }: ConnectionParts): Connection {
  const closing = new AbortController()
  const source = createByteSource()
  let endedHere = false
  let current: Writable<RecordedRequest> | undefined
  const record: Writable<RecordedConnection> = {
    id,
    openedAtMs: clock.now(),
    requests: 0,
    open: true,
    closedByPeerAtMs: undefined,
    closedByPeer: undefined,
  }
  socket.on('data', (bytes) => source.push(bytes))
  socket.on('end', () => peerClosed('fin'))
  socket.on('error', () => peerClosed('reset'))
  tcpSocket.on('error', () => peerClosed('reset'))
  socket.on('close', () => {
    peerClosed('fin')
    record.open = false
  })

  return {
    record,
    source,
    closed: closing.signal,
    async run(script, request) {
      current = request
      await contextFor(request).run(script)
      if (request && !closing.signal.aborted) request.scriptDone = true
      current = undefined
    },
    end: endConnection,
    destroy() {
      close()
      tcpSocket.destroy()
      socket.destroy()
    },
  }

  function contextFor(request: Writable<RecordedRequest> | undefined): StepContext {
    const context: StepContext = {
      socket,
      request,
      closed: closing.signal,
      write: (bytes) => writeBytes(bytes, request),
      sleep: (delayMs) => sleep(clock, delayMs, closing.signal),
      async reset() {
        if (closing.signal.aborted) return
        await letPeerRead()
        if (closing.signal.aborted) return
        if (request) request.scriptDone = true
        close()
        tcpSocket.resetAndDestroy()
        if (socket !== tcpSocket) socket.destroy()
      },
      async end() {
        if (closing.signal.aborted) return
        if (request) request.scriptDone = true
        await endConnection()
      },
      async run(script) {
        if (closing.signal.aborted) return
        if ('run' in script) return script.run(context)
        for (const part of script) await context.run(part)
      },
    }
    return context
  }

  async function endConnection(): Promise<void> {
    if (closing.signal.aborted) return
    await new Promise<void>((resolve) => socket.end(resolve))
    close()
  }

  function writeBytes(bytes: string | Uint8Array, request: Writable<RecordedRequest> | undefined): Promise<void> {
    if (closing.signal.aborted || socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      socket.write(bytes, (error) => {
        if (request && !error) request.bytesSent += Buffer.byteLength(bytes)
        resolve()
      })
    })
  }

  function close() {
    endedHere = true
    source.end()
    closing.abort()
  }

  function peerClosed(how: PeerClose) {
    source.end()
    if (endedHere || record.closedByPeer) return
    record.closedByPeer = how
    record.closedByPeerAtMs = clock.now()
    if (current) {
      current.closedByPeer = how
      current.closedByPeerAtMs = record.closedByPeerAtMs
    }
    closing.abort()
  }
}
