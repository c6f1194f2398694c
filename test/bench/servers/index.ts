import type { Place } from './place.ts'

type Serve = (place: Place) => void | Promise<void>

/** Every server that a row can stand on, loaded only in the process that serves it. */
const servers = {
  pipe: async () => (await import('./pipe.ts')).serve,
  listener: async () => (await import('./signalbox.ts')).serve.listener,
  express: async () => (await import('./signalbox.ts')).serve.express,
  koa: async () => (await import('./signalbox.ts')).serve.koa,
  'listener-plugins': async () => (await import('./signalbox.ts')).serve['listener-plugins'],
  'listener-cached': async () => (await import('./signalbox.ts')).serve['listener-cached'],
  'listener-money': async () => (await import('./signalbox.ts')).serve['listener-money'],
  'express-money': async () => (await import('./signalbox.ts')).serve['express-money'],
  'koa-money': async () => (await import('./signalbox.ts')).serve['koa-money'],
  'listener-sqlite': async () => (await import('./signalbox.ts')).serve['listener-sqlite'],
  'express-sqlite': async () => (await import('./signalbox.ts')).serve['express-sqlite'],
  'koa-sqlite': async () => (await import('./signalbox.ts')).serve['koa-sqlite'],
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
