import { expect, it } from 'vitest'
import { chunk, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { chat } from './support/caller.ts'
import { describeReaches } from './support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from './support/routers.ts'

describeReaches('a stream whose own signal is aborted', (reach) => {
  it.each([
    { how: 'by its caller', begin: () => new AbortController(), name: 'AbortError' },
    { how: 'by a timeout', name: 'TimeoutError' },
  ])('fails its reader $how, so that half an answer is not taken for a whole one', async ({ begin, name }) => {
    const [role, first] = streamEvents({ content: ['Hel'] }) as [string, string]
    const upstream = await upstreamThat([streamHead(), chunk(role), chunk(first), hang()])
    const router = routerOver([upstream])
    const told = listenTo(router)
    const { url, fetch } = await reach(router)
    const controller = begin?.()
    const signal = controller?.signal ?? AbortSignal.timeout(200)

    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(chat({ stream: true })),
      signal,
    })
    const text = response.text()
    if (controller) setTimeout(() => controller.abort(), 50)

    await expect(text).rejects.toMatchObject({ name })
    await eventually(() => told.some(({ event }) => event === 'call.ended'))
    expect(told.find(({ event }) => event === 'call.ended')!.payload).toMatchObject({ ended: { how: 'cancelled' } })
  })
})
