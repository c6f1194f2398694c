import { Agent } from 'node:http'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { type Place, backlog } from './place.ts'

/** http-proxy-middleware in Express, with an agent that keeps connections: without one it opens one for each request. */
export function serve({ port, upstream }: Place): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
  const app = express().use(createProxyMiddleware({ target: upstream, changeOrigin: true, agent }))
  app.listen(port, '127.0.0.1', backlog)
}
