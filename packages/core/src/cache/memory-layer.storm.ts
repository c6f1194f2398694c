import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import type { CachedAnswer } from './answer.ts'
import { keyOf } from './key.ts'
import { createMemoryLayer } from './memory-layer.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** What is alive, in bytes: objects, and the buffers that they hold, which are freed a turn after their objects. */
async function aliveBytes(): Promise<number> {
  collect()
  await nextTurn()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const answerOf = (body: Uint8Array, storedAt: number): CachedAnswer => ({
  dialect: 'openai-chat',
  model: 'a',
  headers: { 'content-type': 'application/json' },
  streamed: false,
  tellsUsage: false,
  usage: { ...noUsage },
  storedAt,
  costNanoUsd: 0,
  tookMs: 0,
  body,
})

it.each([
  { sizes: 'tiny answers', largest: 64 },
  { sizes: 'answers of every size', largest: 16_384 },
])(
  '1 M keys of $sizes take no more memory than the cache may, as the heap has it',
  { timeout: 300_000 },
  async ({ largest }) => {
    const maximumBytes = 32 * 1024 * 1024
    const random = seededRandom(1)
    const before = await aliveBytes()
    const layer = createMemoryLayer({ maximumBytes })
    let most = 0
    for (let index = 0; index < 1_000_000; index++) {
      // From Node's pool, as small bodies come.
      const body = Buffer.from('a'.repeat(Math.floor(random() ** 4 * largest)))
      void layer.set(keyOf(index), answerOf(body, index))
      // Some are asked for again, and stay while those around them go.
      if (index % 100 < 3) void layer.get(keyOf(index - (index % 100)))
      if (index % 50_000 === 49_999) most = Math.max(most, (await aliveBytes()) - before)
    }
    const { entries, bytes } = layer.size!()
    expect(bytes).toBeLessThanOrEqual(maximumBytes)
    expect(entries).toBeGreaterThan(1_000)
    expect(most).toBeLessThanOrEqual(maximumBytes)
    // It is used, too: the bound is no multiple of what is taken.
    expect(most).toBeGreaterThan(maximumBytes / 4)
  },
)
