import { getEventListeners } from 'node:events'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { inTime, sleep, untilAborted } from './sleep.ts'

describe('sleep', () => {
  it('ends when its time is over, and leaves neither timer nor listener', async () => {
    const clock = createFakeClock()
    const { signal } = new AbortController()
    const slept = sleep(100, signal, clock).then(() => clock.now())
    expect([clock.pendingTimers(), getEventListeners(signal, 'abort').length]).toEqual([1, 1])
    await clock.advance(500)
    expect(await slept).toBe(100)
    expect([clock.pendingTimers(), getEventListeners(signal, 'abort').length]).toEqual([0, 0])
  })

  it('ends at once when the caller leaves, or has left, and leaves neither timer nor listener', async () => {
    const clock = createFakeClock()
    const caller = new AbortController()
    const slept = sleep(100, caller.signal, clock)
    caller.abort()
    await expect(slept).rejects.toMatchObject({ code: 'cancelled' })
    await expect(sleep(100, caller.signal, clock)).rejects.toMatchObject({ code: 'cancelled' })
    expect([clock.pendingTimers(), getEventListeners(caller.signal, 'abort').length]).toEqual([0, 0])
  })
})

describe('inTime', () => {
  const late = () => new Error('too late')

  it('comes to what the work does, and leaves no timer', async () => {
    const clock = createFakeClock()
    expect(await inTime('at once', { limitMs: 100, clock, late })).toBe('at once')
    expect(await inTime(Promise.resolve('soon'), { limitMs: 100, clock, late })).toBe('soon')
    await expect(inTime(Promise.reject(new Error('failed')), { limitMs: 100, clock, late })).rejects.toThrow('failed')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('ends when the time is over', async () => {
    const clock = createFakeClock()
    const ended = inTime(new Promise(() => undefined), { limitMs: 100, clock, late }).catch((error: Error) => error)
    await clock.advance(100)
    expect(await ended).toEqual(late())
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('untilAborted', () => {
  it('ends with the signal, also where that was aborted before, and leaves no listener', async () => {
    const caller = new AbortController()
    const never = new Promise(() => undefined)
    const waited = untilAborted(never, caller.signal)
    caller.abort()
    await expect(waited).rejects.toMatchObject({ code: 'cancelled' })
    await expect(untilAborted(never, caller.signal)).rejects.toMatchObject({ code: 'cancelled' })
    const other = new AbortController()
    expect(await untilAborted(Promise.resolve('done'), other.signal)).toBe('done')
    await Promise.resolve()
    expect(getEventListeners(other.signal, 'abort')).toEqual([])
  })
})
