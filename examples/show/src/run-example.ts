import { type RequestListener, createServer } from 'node:http'
import type { Router } from '@signalbox/core'
import { watchLaunchers } from './launchers.ts'
import { choosePort, listen } from './listen.ts'
import { type Providers, chooseProviders, keyNames } from './providers.ts'
import { type Screen, paint } from './screen.ts'
import { show } from './show.ts'

/** An app with a router mounted at `/v1`. */
export interface ExampleApp {
  readonly title: string
  /** The key of one of its users. */
  readonly apiKey: string
  createRouter(providers: Providers): Router
  createListener(router: Router): RequestListener
}

/** Starts the app, shows it at work, and keeps it up until it is told to end. */
export async function runExample(app: ExampleApp): Promise<void> {
  const providers = await chooseProviders(process.env)
  const router = app.createRouter(providers)
  const server = createServer(app.createListener(router))
  const ending = new AbortController()
  const { signal } = ending

  async function end(): Promise<void> {
    if (signal.aborted) return
    ending.abort()
    server.close()
    await router.close({ timeoutMs: 2_000 })
    server.closeAllConnections()
    await providers.close()
    process.exit()
  }

  const stop = () => void end()
  for (const name of signals) process.on(name, stop)
  watchLaunchers(stop)
  // Whoever read the output has gone.
  process.stdout.on('error', stop)

  try {
    const address = await listen(server, choosePort(process.env['PORT']))
    screen.write(heading(app.title, address, providers))
    await show({ address, apiKey: app.apiKey, router, providers, screen, signal })
    screen.write(invitation(app, address))
  } catch (error) {
    if (signal.aborted) return
    console.error((error as Error).message)
    process.exitCode = 1
    await end()
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const screen: Screen = { write: (text) => void process.stdout.write(text) }

function heading(title: string, address: string, { models, simulated }: Providers): string {
  const names = Object.keys(models)
  const lines = simulated
    ? [
        paint('yellow', 'No provider key is in the environment, so a SIMULATED provider on this machine answers as'),
        paint('yellow', `${names.join(', ')}.`),
        paint('yellow', 'Its answers are canned; the routing is real.'),
        'For real answers set one or more of:',
        `  ${keyNames.slice(0, 4).join(', ')},`,
        `  ${keyNames.slice(4).join(', ')}`,
      ]
    : ['Real providers answer:', ...names.map((name) => `  ${name}`)]
  return `\n${paint('bold', title)} at ${address}\n${lines.join('\n')}\n\n`
}

function invitation({ apiKey }: ExampleApp, address: string): string {
  const body = { model: 'auto', messages: [{ role: 'user', content: 'What is 12 * 12?' }] }
  return `
${paint('bold', 'The app stays up.')} Its own page is ${address}/
Any OpenAI client works with the base URL ${address}/v1 and the key "${apiKey}". Try:

  curl ${address}/v1/chat/completions \\
    -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\
    -d '${JSON.stringify(body)}'

Ctrl-C ends it.
`
}
