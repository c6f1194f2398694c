import type { Router } from '@signalbox/core'
import { type Logger, pino } from 'pino'
import type { ServeOptions } from './arguments.ts'

/** Writes JSON lines to stdout, each at once. */
export function createLogger(level: ServeOptions['logLevel']): Logger {
  return pino({ level, base: null }, pino.destination({ dest: 1, sync: true }))
}

/** Logs what an operator should know besides the calls, which the router logs by itself. */
export function logEvents(router: Router, logger: Logger): void {
  router.on('alert', ({ message, ...fields }) => logger.error(fields, message))
  router.on('warning', ({ message, ...fields }) => logger.warn(fields, message))
  router.on('budget.alert', ({ share, ...fields }) =>
    logger.warn({ share, ...fields }, `a budget is used to ${Math.round(share * 100)} %`),
  )
  router.on('budget.refused', (fields) => logger.warn(fields, 'a budget refuses calls'))
  router.on('ledger.failed', ({ error }) => logger.error({ err: error }, 'the ledger could not be reached'))
  router.on('failover', ({ time: _time, ...fields }) => logger.debug(fields, 'another model took over'))
}
