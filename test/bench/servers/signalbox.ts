import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Router, type RouterOptions, createRouter, definePlugin, openaiCompatible } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as expressMount } from '@signalbox/express'
import { signalbox as koaMount } from '@signalbox/koa'
import express from 'express'
import Koa from 'koa'
import { failoverModel, ordinaryModel } from '../traffic.ts'
import { type Place, backlog } from './place.ts'

/**
 * The router as the rows have it: `weighted` over two models of one upstream, each under a name of its own there, so that
 * every request is spliced; and a route whose first model always fails.
 */
function routerOf({ upstream, broken }: Place, more: Partial<RouterOptions> = {}): Router {
  const apiKey = 'sk-bench'
  return createRouter({
    models: {
      first: openaiCompatible({ baseUrl: `${upstream}/v1`, model: 'bench-model-1', apiKey }),
      second: openaiCompatible({ baseUrl: `${upstream}/v1`, model: 'bench-model-2', apiKey }),
      // Without a breaker: failover is to cost what it costs, not what going round an open breaker costs.
      failing: openaiCompatible({
        baseUrl: `${broken}/v1`,
        model: 'bench-model-1',
        apiKey,
        breaker: false,
        health: false,
      }),
    },
    routes: {
      [ordinaryModel]: { strategy: 'weighted', models: ['first', { model: 'second', weight: 0.5 }] },
      [failoverModel]: { strategy: 'ordered', models: ['failing', 'second'] },
    },
    ...more,
  })
}

/** The same with limits, budgets and a ledger, none of which ever refuses. */
function moneyRouterOf(place: Place, storeOf: (folder: string) => string): Router {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  const price = { input: 2, output: 8 }
  const limits = { requestsPerMinute: 100_000_000, tokensPerMinute: 1_000_000_000_000, concurrency: 100_000 }
  const modelAt = (model: string) =>
    openaiCompatible({ baseUrl: `${place.upstream}/v1`, model, apiKey: 'sk-bench', price, limits })
  return routerOf(place, {
    models: { first: modelAt('bench-model-1'), second: modelAt('bench-model-2') },
    routes: { [ordinaryModel]: { strategy: 'weighted', models: ['first', { model: 'second', weight: 0.5 }] } },
    limits: [{ per: 'user', requestsPerMinute: 100_000_000 }],
    budgets: [
      { per: 'all', limitUsd: 1_000_000, window: 'month' },
      { per: 'user', limitUsd: 1_000_000, window: 'day', alertAt: 0.8 },
    ],
    ledger: join(folder, 'ledger.db'),
    store: storeOf(folder),
  })
}

const inMemory = (place: Place) => moneyRouterOf(place, () => 'memory')
const inSqlite = (place: Place) => moneyRouterOf(place, (folder) => `sqlite:${join(folder, 'store.db')}`)

type MakeRouter = (place: Place) => Router

/** With eight plugins that do nothing: what hooks cost by themselves. */
const withPlugins: MakeRouter = (place) =>
  routerOf(place, {
    plugins: Array.from({ length: 8 }, (_, index) =>
      definePlugin({ name: `no-op-${index}`, call: { stage: 'guard', run: (call, next) => next(call) } }),
    ),
  })

/** With a cache that has every answer after the first. */
const withCache: MakeRouter = (place) => routerOf(place, { cache: { ttlMs: 86_400_000, deterministicOnly: false } })

/** The router without a framework. */
const onListener =
  (make: MakeRouter) =>
  (place: Place): void => {
    createServer(listener(make(place))).listen({ port: place.port, host: '127.0.0.1', backlog })
  }

/** The router in an Express app, before any body parser. */
const inExpress =
  (make: MakeRouter) =>
  (place: Place): void => {
    const app = express()
    app.use('/v1', expressMount(make(place)))
    app.listen(place.port, '127.0.0.1', backlog)
  }

/** The router in a Koa app, before any body parser. */
const inKoa =
  (make: MakeRouter) =>
  (place: Place): void => {
    const app = new Koa()
    app.use(koaMount(make(place), { prefix: '/v1' }))
    app.listen(place.port, '127.0.0.1', backlog)
  }

/** Every mount of every router. */
export const serve = {
  listener: onListener(routerOf),
  express: inExpress(routerOf),
  koa: inKoa(routerOf),
  'listener-plugins': onListener(withPlugins),
  'listener-cached': onListener(withCache),
  'listener-money': onListener(inMemory),
  'express-money': inExpress(inMemory),
  'koa-money': inKoa(inMemory),
  'listener-sqlite': onListener(inSqlite),
  'express-sqlite': inExpress(inSqlite),
  'koa-sqlite': inKoa(inSqlite),
}
