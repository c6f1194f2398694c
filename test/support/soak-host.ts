import { createServer, type RequestListener } from 'node:http'
import { createRouter, openaiCompatible } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as forExpress } from '@signalbox/express'
import { signalbox as forKoa } from '@signalbox/koa'
import express from 'express'
import Koa from 'koa'

/** What a host under load says of itself, when nobody calls. */
export interface SoakReport {
  /** After a full collection. */
  readonly heapBytes: number
  /** Sockets, servers, timers and the like. */
  readonly resources: number
  readonly openCalls: number
  readonly endedCalls: number
  /** Unhandled rejections and warnings so far. */
  readonly complaints: readonly string[]
}

// `node --expose-gc soak-host.ts MOUNT LEDGER UNSTEADY_URL...`, the steady one last.
const [mountName, ledger, ...baseUrls] = process.argv.slice(2) as [string, string, ...string[]]
const complaints: string[] = []
process.on('unhandledRejection', (reason) => complaints.push(`unhandled: ${String(reason)}`))
process.on('warning', ({ name, message }) => {
  if (name !== 'ExperimentalWarning') complaints.push(`${name}: ${message}`)
})

const models = Object.fromEntries(
  baseUrls.map((baseUrl, index) => [
    `model-${index}`,
    openaiCompatible({ baseUrl, model: 'gpt-4.1', apiKey: 'sk-soak', price: { input: 1, output: 2 } }),
  ]),
)
const router = createRouter({
  models,
  routes: { auto: { strategy: 'least-latency', models: Object.keys(models) } },
  timeouts: { firstTokenMs: 400, answerMs: 500, stallMs: 300, callMs: 3_000 },
  breaker: { openMs: 200, maxOpenMs: 400 },
  limits: [{ per: 'user', requestsPerMinute: 100_000, concurrency: 50 }],
  budgets: [{ per: 'user', limitUsd: 1_000, window: 'hour' }],
  ledger,
})
let [startedCalls, endedCalls] = [0, 0]
router.on('call.started', () => void startedCalls++)
router.on('call.ended', () => void endedCalls++)

const identify = (req: { readonly headers: Readonly<Record<string, unknown>> }) => ({
  user: String(req.headers['x-user']),
})
const apps: Record<string, () => RequestListener> = {
  Express: () => express().use('/v1', forExpress(router, { identify })),
  Koa() {
    const app = new Koa()
    // It tells of every caller who leaves.
    app.silent = true
    const serve = app.use(forKoa(router, { prefix: '/v1', identify: ({ req }) => identify(req) })).callback()
    return (req, res) => void serve(req, res)
  },
  listener: () => listener(router, { identify }),
}
const server = createServer(apps[mountName]!())
server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port))

process.on('message', (wanted) => {
  if (wanted === 'report') process.send!(report())
  else void leave()
})
process.on('disconnect', () => process.exit())

function report(): SoakReport {
  for (let round = 0; round < 3; round++) globalThis.gc!()
  const { heapUsed: heapBytes } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo().length
  return { heapBytes, resources, openCalls: startedCalls - endedCalls, endedCalls, complaints }
}

async function leave(): Promise<void> {
  await router.close()
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
  await settled()
  process.send!(report())
}

/** Sockets take a moment to close. */
async function settled(): Promise<void> {
  for (let tries = 0; tries < 50 && process.getActiveResourcesInfo().length > 3; tries++)
    await new Promise((resolve) => setTimeout(resolve, 20))
}
