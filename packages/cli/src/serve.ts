import type { Server } from 'node:http'
import { type Router, type RouterOptions, createRouter } from '@signalbox/core'
import type { ServeOptions } from './arguments.ts'
import { drain } from './drain.ts'
import { createLogger, logEvents } from './logger.ts'
import { addressOf, createRouterServer, isLoopback, listen } from './server.ts'
import { nextSignal } from './signals.ts'
import { fail, tell } from './terminal.ts'

/** Serves a configuration until a signal ends it, and gives the exit code. */
export async function serve(config: RouterOptions, options: ServeOptions): Promise<number> {
  const logger = createLogger(options.logLevel)
  const router = createRouter({ ...config, logger: config.logger ?? logger })
  logEvents(router, logger)
  const server = createRouterServer(router, logger)
  const failure = await listen(server, options)
  if (failure) {
    fail(failure)
    await router.close()
    return 1
  }
  const signal = nextSignal()
  announce(server, options, { logger, asksForKeys: Boolean(config.keys) })
  void askProviders(router, logger)
  logger.info({ signal: await signal, drainMs: options.drainMs }, 'shutting down')
  await drain(server, router, options.drainMs)
  logger.info('stopped')
  // A module that holds the configuration may have left something open.
  process.exit(0)
}

/** Asks every provider once, beside the calls: of a wrong key the log tells before a caller meets it. */
async function askProviders(router: Router, logger: Announcement['logger']): Promise<void> {
  for (const { ok, models, code, message, detail } of await router.verify())
    if (!ok) logger.warn({ models, code, reason: message, detail }, 'a provider cannot be used')
}

interface Announcement {
  readonly logger: ReturnType<typeof createLogger>
  readonly asksForKeys: boolean
}

function announce(server: Server, { host }: ServeOptions, { logger, asksForKeys }: Announcement): void {
  const url = addressOf(server)
  tell(`Signalbox listens at ${url}`)
  logger.info({ url }, 'listening')
  if (!isLoopback(host) && !asksForKeys)
    logger.warn({ host }, 'other machines can reach this address, and no key is asked of them: anyone there can spend')
}
