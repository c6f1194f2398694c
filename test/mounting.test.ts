import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import Koa from 'koa'
import { koaBody } from 'koa-body'
import { expect, it, onTestFinished } from 'vitest'
import type { Router } from '@signalbox/core'
import { listener } from '@signalbox/core/http'
import { signalbox as forExpress } from '@signalbox/express'
import { signalbox as forKoa, signalboxErrors as errorsForKoa } from '@signalbox/koa'
import { completion, stream, streamEvents } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import type { Mounted } from './support/mounts.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

async function serve(app: Koa, prefix: string): Promise<Mounted> {
  const server = app.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, prefix, url: `http://127.0.0.1:${port}${prefix}`, server, hostErrors: [] }
}

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
  const mounted = await serve(app, at)
  expect((await send(mounted, { body: chat() })).status).toBe(200)
  expect((await send(mounted, { body: '{"model":' })).json().error.code).toBe('invalid_json')
})

it('leaves to Koa what fails behind the router before a stream is out, also where it looks like a caller who left', async () => {
  const app = new Koa()
  const told: unknown[] = []
  const failure = Object.assign(new Error('the copy broke off'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  app.on('error', (error) => told.push(error))
  app.use(async (_ctx, next) => {
    await next()
    throw failure
  })
  app.use(forKoa(routerOver([await upstreamThat(stream(streamEvents({ content: ['Hel', 'lo'] })))]), { prefix: '/v1' }))

  const answer = await send(await serve(app, '/v1'), { body: chat({ stream: true }) })

  expect(answer).toMatchObject({ status: 500, text: 'Internal Server Error' })
  expect(told).toEqual([failure])
})

it('refuses a prefix in Koa that no path begins with', async () => {
  const router = routerOver([await upstreamThat(completion({ content: 'hello' }))])
  const refusal = expect.objectContaining({
    code: 'invalid_config',
    message: 'prefix: expected a path such as "/v1", got "v1"',
  })
  expect(() => forKoa(router, { prefix: 'v1' })).toThrow(refusal)
  expect(() => forKoa(router, { prefix: ['/v1'] as unknown as string })).toThrow('got ["/v1"]')
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

it.each([
  ['Express', forExpress],
  ['Koa', forKoa],
  ['a listener', listener],
] as const)(
  'says in %s what is no option of a mount: a misspelt one would make everybody nobody',
  async (_name, mount) => {
    const router = routerOver([await upstreamThat(completion({ content: 'hello' }))])
    const given = { indentify: () => ({ user: 'u' }), identify: 'u', authorise: undefined }
    expect(() => mount(router, given as object)).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: [
          'The mount has 2 faults:',
          '  indentify: expected no option of this name',
          '  identify: expected a function, got "u"',
        ].join('\n'),
      }),
    )
  },
)
