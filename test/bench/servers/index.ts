import type { Place } from './place.ts'

type Serve = (place: Place) => void | Promise<void>

/** Every server that a row can stand on, loaded only in the process that serves it. */
const servers = {
  pipe: async () => (await import('./pipe.ts')).serve,
  listener: async () => (await import('./signalbox.ts')).serveListener,
  express: async () => (await import('./signalbox.ts')).serveExpress,
  koa: async () => (await import('./signalbox.ts')).serveKoa,
  'express-undici': async () => (await import('./express-undici.ts')).serve,
  'http-proxy-middleware': async () => (await import('./http-proxy-middleware.ts')).serve,
  fastify: async () => (await import('./fastify.ts')).serve,
  'ai-sdk': async () => (await import('./ai-sdk.ts')).serve,
  portkey: async () => (await import('./portkey.ts')).serve,
} satisfies Record<string, () => Promise<Serve>>

/** The name of a server. */
export type ServerName = keyof typeof servers

// `node servers/index.ts NAME PORT UPSTREAM BROKEN_UPSTREAM`
const [name, port, upstream, broken] = process.argv.splice(2) as [ServerName, string, string, string]
const serve: Serve = await servers[name]()
await serve({ port: Number(port), upstream, broken })
process.on('disconnect', () => process.exit())
