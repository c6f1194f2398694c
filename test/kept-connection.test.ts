import { expect, it } from 'vitest'
import { type Reply, type Sink } from '@signalbox/core'
import { chunk, createFakeClock, lastChunk, streamEvents, streamHead, wait } from '@signalbox/testkit'
import { chat } from './support/caller.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

/** A reader that falls behind with every chunk, and catches up a moment later. */
const slow: Sink = {
  write: () => false,
  once: (_event, drained) => setTimeout(drained, 5),
}

it('a stream whose reader was behind when the last word came leaves its connection to the next call', async () => {
  const [role, first, ...rest] = streamEvents({ content: ['Hel', 'lo'] }) as [string, string, ...string[]]
  const upstream = await upstreamThat([streamHead(), chunk(role + first), wait(30), chunk(rest.join('')), lastChunk()])
  const clock = createFakeClock()
  const router = routerOver([upstream], { clock })
  const ask = async () => {
    const reply: Reply = await router.handle({ body: chat({ stream: true }) })
    if (!(reply.body instanceof Uint8Array)) await reply.body.to(slow)
    expect(await reply.ended).toMatchObject({ how: 'complete' })
  }

  await ask()
  await new Promise((resolve) => setTimeout(resolve, 50))
  // Longer than a provider that has said all gets to end its answer.
  await clock.advance(2_000)
  await ask()

  expect(upstream.connections).toHaveLength(1)
})
