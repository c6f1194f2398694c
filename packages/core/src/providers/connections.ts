import type { Socket } from 'node:net'
import { Client, type Dispatcher, Pool, buildConnector } from 'undici'
import type { Clock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'

/** Open connections to one origin at the most. A model's `concurrency` is the limit that is meant to bind. */
const connectionsPerOrigin = 1024

/** The connections of a router: one pool for each origin and connect timeout. */
export interface Connections {
  /** The pool for an origin, such as `https://api.openai.com`. */
  pool(origin: string, connectMs: number): Dispatcher
  /** A connection that nobody has used before, for one request. */
  fresh(origin: string, connectMs: number): Dispatcher
  /** Waits for what is under way. */
  close(): Promise<void>
  /** Ends what is under way. */
  destroy(): Promise<void>
}

// Every deadline is our own: undici's timers are coarse, and know nothing of a call.
const ownDeadlines = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, allowH2: false }

/** Opens connections on demand. */
export function createConnections(clock: Clock): Connections {
  const pools = new Map<string, ReadonlyMap<number, Pool>>()
  const all = async (act: (pool: Pool) => Promise<void>) => {
    await Promise.all([...pools.values()].flatMap((ofOrigin) => [...ofOrigin.values()].map(act)))
  }
  const open = (origin: string, connectMs: number) => {
    const connect = connector(clock, connectMs)
    const pool = new Pool(origin, { ...ownDeadlines, connections: connectionsPerOrigin, connect })
    pools.set(origin, new Map(pools.get(origin)).set(connectMs, pool))
    return pool
  }
  return {
    pool: (origin, connectMs) => pools.get(origin)?.get(connectMs) ?? open(origin, connectMs),
    fresh: (origin, connectMs) => new Client(origin, { ...ownDeadlines, connect: connector(clock, connectMs) }),
    close: () => all((pool) => pool.close()),
    destroy: () => all((pool) => pool.destroy()),
  }
}

/** Connects within `connectMs`, and notes on a socket's error how much had been read from it. */
function connector(clock: Clock, connectMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: 0, allowH2: false })
  return (options, callback) => {
    const timer =
      connectMs === Infinity
        ? undefined
        : clock.setTimeout(
            () =>
              socket?.destroy(
                new SignalboxError('upstream_unreachable', 'The provider did not accept a connection in time'),
              ),
            connectMs,
          )
    const socket = connect(options, (...result) => {
      clock.clearTimeout(timer)
      callback(...result)
    }) as unknown as Socket | undefined
    socket?.prependListener('error', (error: Error) => Object.assign(error, { bytesRead: socket.bytesRead }))
  }
}

/** Whether an error ended a connection that had served a request before: the provider may just have closed it for age. */
export function endedReusedConnection(error: unknown): boolean {
  const { code, bytesRead, socket } = error as { code?: string; bytesRead?: number; socket?: { bytesRead?: number } }
  const read = bytesRead ?? socket?.bytesRead ?? 0
  return read > 0 && (code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET')
}
