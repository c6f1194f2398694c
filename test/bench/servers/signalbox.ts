import { createServer } from 'node:http'
import { type Router, createRouter, openaiCompatible } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as expressMount } from '@signalbox/express'
import { signalbox as koaMount } from '@signalbox/koa'
import express from 'express'
import Koa from 'koa'
import { failoverModel, ordinaryModel } from '../traffic.ts'
import { type Place, backlog } from './place.ts'

/**
 * The router as the rows have it: `weighted` over two models of one upstream, each under a name of its own there, so that
 * every request is spliced; and a route whose first model always fails. Rows with more switched on (limiter, breaker,
 * budgets, ledger; store: memory, sqlite) are a function beside this one and a line in `servers/index.ts`.
 */
function routerOf({ upstream, broken }: Place): Router {
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
  })
}

/** The router without a framework. */
export function serveListener(place: Place): void {
  createServer(listener(routerOf(place))).listen({ port: place.port, host: '127.0.0.1', backlog })
}

/** The router in an Express app, before any body parser. */
export function serveExpress(place: Place): void {
  const app = express()
  app.use('/v1', expressMount(routerOf(place)))
  app.listen(place.port, '127.0.0.1', backlog)
}

/** The router in a Koa app, before any body parser. */
export function serveKoa(place: Place): void {
  const app = new Koa()
  app.use(koaMount(routerOf(place), { prefix: '/v1' }))
  app.listen(place.port, '127.0.0.1', backlog)
}
