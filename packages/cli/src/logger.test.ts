import { EventEmitter } from 'node:events'
import type { Router } from '@signalbox/core'
import { type Logger } from 'pino'
import { expect, it, vi } from 'vitest'
import { logEvents } from './logger.ts'

it('tells of a ledger that fails as an error, with its cause', () => {
  const events = new EventEmitter()
  const error = vi.fn<Logger['error']>()
  logEvents(events as unknown as Router, { error } as unknown as Logger)
  const cause = new Error('disk full')
  events.emit('ledger.failed', { error: cause })
  expect(error).toHaveBeenCalledExactlyOnceWith({ err: cause }, 'the ledger could not be reached')
})
