import { describe, expect, it, vi } from 'vitest'
import { createEvents, type RouterEvents } from './events.ts'
import type { Logger } from './types.ts'

const warning: RouterEvents['warning'] = { kind: 'malformed_event', message: 'odd' }
const settle = () => new Promise((resolve) => setImmediate(resolve))

function recordingLogger() {
  const lines: unknown[] = []
  const log = (fields: object) => void lines.push(fields)
  return { lines, logger: { debug: log, info: log, warn: log, error: log } satisfies Logger }
}

describe('events', () => {
  it('reach every listener with their payload, in the order of listening', () => {
    const events = createEvents(undefined)
    const seen: unknown[] = []
    events.on('warning', (payload) => seen.push(['first', payload]))
    events.on('warning', (payload) => seen.push(['second', payload]))
    events.emit('warning', warning)
    expect(seen).toEqual([
      ['first', warning],
      ['second', warning],
    ])
  })

  it('reach only the listeners of their name', () => {
    const events = createEvents(undefined)
    const listener = vi.fn<() => void>()
    events.on('alert', listener)
    events.emit('warning', warning)
    expect(listener).not.toHaveBeenCalled()
  })

  it('no longer reach a listener that was taken off, and all others still', () => {
    const events = createEvents(undefined)
    const gone = vi.fn<() => void>()
    const here = vi.fn<() => void>()
    const off = events.on('warning', gone)
    events.on('warning', here)
    off()
    off()
    events.emit('warning', warning)
    expect(gone).not.toHaveBeenCalled()
    expect(here).toHaveBeenCalledTimes(1)
  })

  it('reach a function that listens twice until each of its listenings is taken off', () => {
    const events = createEvents(undefined)
    const listener = vi.fn<() => void>()
    const off = events.on('warning', listener)
    events.on('warning', listener)
    off()
    events.emit('warning', warning)
    expect(listener).toHaveBeenCalledTimes(1)
  })

  it('are heard only while somebody listens', () => {
    const events = createEvents(undefined)
    expect(events.heard('warning')).toBe(false)
    const off = events.on('warning', () => undefined)
    expect(events.heard('warning')).toBe(true)
    expect(events.heard('alert')).toBe(false)
    off()
    expect(events.heard('warning')).toBe(false)
  })
})

describe('a listener that fails', () => {
  it('touches neither the emitter nor the next listener when it throws', () => {
    const events = createEvents(undefined)
    const next = vi.fn<() => void>()
    events.on('warning', () => {
      throw new Error('broken')
    })
    events.on('warning', next)
    expect(() => events.emit('warning', warning)).not.toThrow()
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('is told as listener.failed and logged, thrown or rejected', async () => {
    const { lines, logger } = recordingLogger()
    const events = createEvents(logger)
    const failed: unknown[] = []
    events.on('listener.failed', (failure) => failed.push(failure))
    const thrown = new Error('thrown')
    const rejected = new Error('rejected')
    events.on('warning', () => {
      throw thrown
    })
    events.on('warning', () => Promise.reject(rejected))
    events.emit('warning', warning)
    await settle()
    expect(failed).toEqual([
      { event: 'warning', error: thrown },
      { event: 'warning', error: rejected },
    ])
    expect(lines).toEqual([
      { err: thrown, event: 'warning' },
      { err: rejected, event: 'warning' },
    ])
  })

  it('never ends in an unhandled rejection, nobody listening to listener.failed', async () => {
    const unhandled = vi.fn<() => void>()
    process.on('unhandledRejection', unhandled)
    const events = createEvents(undefined)
    events.on('warning', () => Promise.reject(new Error('rejected')))
    events.emit('warning', warning)
    await settle()
    await settle()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('is not told of itself without end', async () => {
    const { lines, logger } = recordingLogger()
    const events = createEvents(logger)
    events.on('listener.failed', () => {
      throw new Error('broken as well')
    })
    events.on('listener.failed', () => Promise.reject(new Error('and this one')))
    events.on('warning', () => {
      throw new Error('broken')
    })
    expect(() => events.emit('warning', warning)).not.toThrow()
    await settle()
    expect(lines).toHaveLength(3)
  })
})
