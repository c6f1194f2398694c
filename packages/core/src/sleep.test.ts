import { getEventListeners } from 'node:events'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { sleep } from './sleep.ts'

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
