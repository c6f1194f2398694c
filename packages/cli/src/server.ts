import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Router } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import type { Logger } from 'pino'
import type { ServeOptions } from './arguments.ts'

/**
 * How long an idle connection is kept. Longer than load balancers keep theirs (60 s is usual, 600 s is the most): the
 * side that sends must be the one to close, or a request may meet a connection that has just been closed.
 */
const keepAliveTimeoutMs = 620_000

/** A server that answers with the router, and tells its callers to leave once the router takes no more calls. */
export function createRouterServer(router: Router, logger: Logger): Server {
  const answer = listener(router)
  return createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (req, res) => {
    if (!router.ready) res.shouldKeepAlive = false
    if (logger.isLevelEnabled('debug'))
      res.once('close', () => {
        const path = (req.url ?? '').split('?', 1)[0]
        logger.debug({ method: req.method, path, status: res.statusCode }, 'request answered')
      })
    answer(req, res)
  })
}

/** Listens, or says why that cannot be. */
export function listen(server: Server, { port, host }: ServeOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(reasonOf(error, port, host)))
    server.listen(port, host, () => resolve(undefined))
  })
}

function reasonOf({ code = '', message }: NodeJS.ErrnoException, port: number, host: string): string {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} at ${host} is in use; choose another one with --port`,
    EACCES: `port ${port} may not be used by this user; choose one above 1023 with --port`,
    EADDRNOTAVAIL: `${host} is no address of this machine; choose another one with --host`,
    ENOTFOUND: `${host} is no address of this machine; choose another one with --host`,
  }
  return reasons[code] ?? `cannot listen at ${host}, port ${port}: ${message}`
}

/** Where a client finds the router. */
export function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/v1`
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
