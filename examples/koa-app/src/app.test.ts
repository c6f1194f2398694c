import { startApp, testExampleApp } from '@signalbox/example-show/contract'
import { expect, it } from 'vitest'
import { createApp } from './app.ts'
import { createAppRouter } from './router.ts'

const app: Parameters<typeof startApp>[0] = {
  createRouter: createAppRouter,
  createListener: (router) => createApp(router).callback(),
  main: new URL('main.ts', import.meta.url),
}

testExampleApp(app)

it('tells a client in its own words that the prompt is over the limit of the body parser', async () => {
  const { client } = await startApp(app)
  const content = 'a'.repeat(11_000_000)
  const asked = client.chat.completions.create({ model: 'fast', messages: [{ role: 'user', content }] })
  await expect(asked).rejects.toMatchObject({ status: 413, code: 'request_too_large' })
})
