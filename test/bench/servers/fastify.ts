import proxy from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { type Place, backlog } from './place.ts'

/** Fastify with its own proxy. */
export async function serve({ port, upstream }: Place): Promise<void> {
  const app = fastify()
  await app.register(proxy, { upstream, undici: { connections: 1024, pipelining: 1 } })
  await app.listen({ port, host: '127.0.0.1', backlog })
}
