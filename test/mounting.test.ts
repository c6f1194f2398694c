import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import Koa from 'koa'
import { koaBody } from 'koa-body'
import { expect, it, onTestFinished } from 'vitest'
import type { Router } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as forExpress } from '@signalbox/express'
import { signalbox as forKoa, signalboxErrors as errorsForKoa } from '@signalbox/koa'
import { completion } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

it.each([
  ['/v1', '/v1'],
  ['/v1/', '/v1'],
  ['/ai/models//', '/ai/models'],
  ['/', ''],
  ['', ''],
])('answers in Koa with the prefix "%s", calls and broken bodies alike', async (prefix, at) => {
  const app = new Koa()
  app.use(errorsForKoa({ prefix }))
  app.use(koaBody())
  app.use(forKoa(routerOver([await upstreamThat(completion({ content: 'hello' }))]), { prefix }))
  const server = app.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const mounted = { port, prefix: at, url: `http://127.0.0.1:${port}${at}`, server, hostErrors: [] }
  expect((await send(mounted, { body: chat() })).status).toBe(200)
  expect((await send(mounted, { body: '{"model":' })).json().error.code).toBe('invalid_json')
})

it('refuses a prefix in Koa that no path begins with', async () => {
  const router = routerOver([await upstreamThat(completion({ content: 'hello' }))])
  const refusal = expect.objectContaining({
    code: 'invalid_config',
    message: 'prefix: expected a path such as "/v1", got "v1"',
  })
  expect(() => forKoa(router, { prefix: 'v1' })).toThrow(refusal)
  expect(() => errorsForKoa({ prefix: 'v1' })).toThrow(refusal)
})

it.each([
  ['Express', forExpress],
  ['Koa', forKoa],
  ['a listener', listener],
] as const)('says in %s that what was mounted is no router', (_name, mount) => {
  for (const [given, got] of [
    [undefined, 'nothing'],
    [{ models: {} }, 'an object'],
    [Promise.resolve({}), 'an object'],
  ] as const)
    expect(() => mount(given as unknown as Router)).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: `expected a router, as createRouter makes it, got ${got}`,
      }),
    )
})
