import { startApp, testExampleApp } from '@signalbox/example-show/contract'
import { expect, it } from 'vitest'
import { createApp } from './app.ts'
import { createAppRouter } from './router.ts'

const app = {
  createRouter: createAppRouter,
  createListener: createApp,
  main: new URL('main.ts', import.meta.url),
}

testExampleApp(app)

it('takes a prompt of 10 MB, since no body parser stands before the router', { timeout: 20_000 }, async () => {
  const { client } = await startApp(app)
  const content = 'a'.repeat(10_000_000)
  const asked = client.chat.completions.create({ model: 'gemini-2.5-flash', messages: [{ role: 'user', content }] })
  // It came through: it is the model that finds it too long.
  await expect(asked).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' })
})
