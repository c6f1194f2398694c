// A Koa app with a Signalbox router, shown at work: `node src/main.ts`. PORT chooses the port.
import { runExample } from '@signalbox/example-show'
import { createApp } from './app.ts'
import { createAppRouter } from './router.ts'
import { demoKey } from './session.ts'

await runExample({
  title: 'Signalbox in a Koa app',
  apiKey: demoKey,
  createRouter: createAppRouter,
  createListener: (router) => createApp(router).callback(),
})
