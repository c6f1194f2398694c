import { getEventListeners } from 'node:events'
import { classifier } from '@signalbox/core'
import { describe, expect, it } from 'vitest'
import { type SentCall, simulate } from './simulation.ts'

/** Lets a call say its priority in its body, as a host's own plugin would from what it knows of the caller. */
const byUser = classifier('by-user', ({ identity }) => ({ priority: identity.tier ?? '3' }))

const tier = (priority: number) => ({ identity: { tier: String(priority) } })

/** One model that takes so many calls at a time, each for 100 ms. */
const narrow = (concurrency: number, maximumWaiting = 1_000) =>
  simulate({
    models: { a: { latencyMs: () => 100, options: { limits: { concurrency } } } },
    queue: { maximumWaiting },
    plugins: [byUser],
  })

const inOrderOfAnswer = (calls: readonly SentCall[]) =>
  [...calls.keys()].toSorted((one, other) => calls[one]!.endedMs! - calls[other]!.endedMs!)

it('serves a burst of a thousand callers ten at a time, in the order in which they came', async () => {
  const { clock, calls, upstreams, router, send } = narrow(10)
  for (let caller = 0; caller < 1_000; caller++) send()
  await clock.advance(0)
  expect(router.status().queue).toEqual({ 'model:a': 990 })
  await clock.advance(10_000)
  expect(upstreams['a']!.counts).toMatchObject({ requests: 1_000, answered: 1_000 })
  expect(upstreams['a']!.mostInFlight).toBe(10)
  expect(inOrderOfAnswer(calls)).toEqual([...calls.keys()])
  expect(calls.at(-1)!.endedMs).toBe(10_000)
  expect(router.status().queue).toEqual({})
  expect(clock.pendingTimers()).toBe(0)
})

it('gives urgent calls the larger share of turns, and the others some', async () => {
  const { clock, calls, send } = narrow(1, 2_000)
  send()
  const waiting = Array.from({ length: 5 * 64 }, (_, index) => ({
    priority: (index % 5) + 1,
    call: send(tier((index % 5) + 1)),
  }))
  await clock.advance(31 * 100 + 100)
  const served = (priority: number) =>
    waiting.filter((one) => one.priority === priority && one.call.endedMs !== undefined).length
  expect([1, 2, 3, 4, 5].map(served)).toEqual([16, 8, 4, 2, 1])
  await clock.advance(100_000)
  for (const priority of [1, 2, 3, 4, 5]) {
    const ofOne = waiting.filter((one) => one.priority === priority).map(({ call }) => call)
    expect(inOrderOfAnswer(ofOne)).toEqual([...ofOne.keys()])
  }
  expect(calls.every(({ model }) => model === 'a')).toBe(true)
})

it('refuses what comes to a full queue with a 429, and sends nothing of it', async () => {
  const { clock, router, calls, upstreams, send } = narrow(10, 20)
  for (let caller = 0; caller < 100; caller++) send()
  await clock.advance(0)
  const refused = calls.filter(({ error }) => error)
  expect(refused).toHaveLength(70)
  for (const { error, endedMs } of refused) {
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', limit: { kind: 'concurrency', limit: 10 } })
    expect(endedMs).toBe(0)
  }
  expect(router.status().queue).toEqual({ 'model:a': 20 })
  await clock.advance(1_000)
  expect(upstreams['a']!.counts.requests).toBe(30)
})

describe('a caller who waits', () => {
  it('is let go at its deadline, and leaves nothing behind', async () => {
    const { clock, router, upstreams, send } = narrow(1)
    upstreams['a']!.latencyScale = 100
    const [first, waiting] = [send(), send({ timeoutMs: 2_000 })]
    await clock.advance(2_000)
    expect(waiting.error!.code).toBe('rate_limit_exceeded')
    expect(waiting.endedMs).toBe(2_000)
    expect(router.status().queue).toEqual({})
    await clock.advance(8_000)
    expect(first.model).toBe('a')
    expect(upstreams['a']!.counts.requests).toBe(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('takes its place in the queue along when it leaves', async () => {
    const { clock, router, upstreams, send } = narrow(1)
    const leaving = new AbortController()
    const first = send()
    const gone = Array.from({ length: 50 }, () => send({ signal: leaving.signal }))
    const last = send()
    await clock.advance(50)
    leaving.abort()
    await clock.advance(0)
    expect(gone.every(({ error }) => error?.code === 'cancelled')).toBe(true)
    expect(router.status().queue).toEqual({ 'model:a': 1 })
    expect(getEventListeners(leaving.signal, 'abort')).toEqual([])
    await clock.advance(150)
    expect([first.endedMs, last.endedMs]).toEqual([100, 200])
    expect(upstreams['a']!.counts.requests).toBe(2)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('waits for a pause that the provider asked for in the same queue', async () => {
    const { clock, router, upstreams, send } = narrow(1_000, 20)
    upstreams['a']!.fail({ status: 429, headers: { 'retry-after': '5' } })
    send({ timeoutMs: 4_000 })
    await clock.advance(10)
    upstreams['a']!.heal()
    const waiting = Array.from({ length: 25 }, (_, index) => send(tier(index < 15 ? 5 : 1)))
    await clock.advance(0)
    expect(waiting.filter(({ error }) => error?.code === 'rate_limit_exceeded')).toHaveLength(5)
    expect(router.status().queue).toEqual({ 'model:a': 20 })
    await clock.advance(5_600)
    const urgent = waiting.slice(15, 20).filter(({ model }) => model === 'a').length
    const patient = waiting.slice(0, 15).filter(({ model }) => model === 'a').length
    expect(urgent).toBeGreaterThan(patient)
    await clock.advance(10_000)
    expect(waiting.filter(({ model }) => model === 'a')).toHaveLength(20)
    expect(upstreams['a']!.counts.requests).toBe(21)
    expect(clock.pendingTimers()).toBe(0)
  })
})
