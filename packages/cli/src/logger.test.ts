import { EventEmitter } from 'node:events'
import fs from 'node:fs'
import type { Router } from '@signalbox/core'
import { type Logger } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createLogger, logEvents } from './logger.ts'

it('tells of a ledger that fails as an error, with its cause', () => {
  const events = new EventEmitter()
  const error = vi.fn<Logger['error']>()
  logEvents(events as unknown as Router, { error } as unknown as Logger)
  const cause = new Error('disk full')
  events.emit('ledger.failed', { error: cause })
  expect(error).toHaveBeenCalledExactlyOnceWith({ err: cause }, 'the ledger could not be reached')
})

it('fails nothing where stdout takes no more, tells it once, and writes what waited when it can', () => {
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => told.mockRestore())
  const writing = vi.spyOn(fs, 'writeSync').mockImplementation(() => {
    throw new Error('ENOSPC: no space left on device, write')
  })
  onTestFinished(() => writing.mockRestore())
  const logger = createLogger('info')
  logger.info('one')
  logger.info('two')
  expect(told.mock.calls.map(([text]) => text)).toEqual([
    expect.stringContaining('signalbox: the log cannot be written: ENOSPC: no space left on device, write'),
  ])

  let written = ''
  writing.mockImplementation((_descriptor, text) => {
    written += text
    return Buffer.byteLength(text)
  })
  logger.info('three')
  expect(written.match(/(?<="msg":")\w+/g)).toEqual(['one', 'two', 'three'])
})
