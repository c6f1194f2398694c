import type { Router } from '@signalbox/core'
import { type Logger, pino } from 'pino'
import type { ServeOptions } from './arguments.ts'
import { fail } from './terminal.ts'

/** How many bytes wait for a stdout that takes none. */
const mostWaiting = 1 << 20

/**
 * Writes JSON lines to stdout, each at once. What cannot be written, as on a disk that is full, waits for the next line and
 * fails nothing; that is told once.
 */
export function createLogger(level: ServeOptions['logLevel']): Logger {
  const output = pino.destination({ dest: 1, sync: true, maxLength: mostWaiting })
  let isTold = false
  output.on('error', ({ message }: Error) => {
    if (!isTold) fail(`the log cannot be written: ${message}`)
    isTold = true
  })
  return pino({ level, base: null }, output)
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
