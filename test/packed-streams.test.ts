import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { readBody } from '@signalbox/core'
import { chunk, lastChunk, stream, streamEvents, streamHead } from '@signalbox/testkit'
import { chat, contentOf } from './support/caller.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

it('a packed stream may be as long as one that is not', async () => {
  const content = Array.from({ length: 3_000 }, (_, index) => `word ${index} of ${(index * 7_919) % 10_007} `)
  const events = streamEvents({ content })
  const upstream = await upstreamThat(stream(events))
  const router = routerOver([upstream], { maxResponseBytes: 100_000 })
  const read = async () => Buffer.from(await readBody(await router.handle({ body: chat({ stream: true }) }))).toString()
  const plain = await read()
  expect(contentOf(plain)).toBe(content.join(''))

  upstream.respond([streamHead({ 'content-encoding': 'gzip' }), chunk(gzipSync(events.join(''))), lastChunk()])

  expect(await read()).toBe(plain)
})
