import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { seededRandom } from '@signalbox/testkit'
import { expectNothingLeftOf } from './support/aborted-streams.ts'
import { chat } from './support/caller.ts'
import { describeHosts } from './support/mounts.ts'
import { eventually, modelAt, routerFor, simulatedProvider } from './support/routers.ts'

describeHosts('100 streams that their callers cut', (mount) => {
  it('leave nothing behind', { timeout: 30_000 }, async () => {
    const { p99Ms } = await expectNothingLeftOf(100, mount, 20_261_121)

    // How soon is measured among the storms; here others may keep the machine busy.
    expect(p99Ms).toBeLessThan(3_000)
  })
})

it('300 streams in process under one signal leave no listener on it', { timeout: 30_000 }, async () => {
  const provider = await simulatedProvider({ latencyScale: 0.01 })
  const router = routerFor({ models: { auto: modelAt(provider) } })
  const { signal } = new AbortController()
  const random = seededRandom(7)

  await Promise.all(
    Array.from({ length: 300 }, async () => {
      const reply = await router.handle({ body: chat({ stream: true }), signal })
      if (random() < 0.5) reply.cancel()
      await reply.ended
    }),
  )

  expect(getEventListeners(signal, 'abort')).toEqual([])
  await eventually(() => provider.openRequests() === 0)
})
