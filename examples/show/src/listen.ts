import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where to listen: at this port, or from it on at the first that is free. */
export interface WantedPort {
  readonly port: number
  readonly orNext: boolean
}

/**
 * Reads the environment variable `PORT`.
 *
 * @throws RangeError when it is no port
 */
export function choosePort(value: string | undefined): WantedPort {
  if (value === undefined || value === '') return { port: 3000, orNext: true }
  const port = Number(value)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return { port, orNext: false }
  throw new RangeError(`PORT is to be a number from 0 to 65535, got ${JSON.stringify(value)}`)
}

/** Listens on this machine only, and returns the address. */
export async function listen(server: Server, { port, orNext }: WantedPort): Promise<string> {
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    if (taken && orNext && port < 65_535) return listen(server, { port: port + 1, orNext })
    throw error
  }
}
