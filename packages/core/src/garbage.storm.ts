import { PerformanceObserver, constants } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Dispatcher } from 'undici'
import { expect, it } from 'vitest'
import type { RouterOptions } from './config/options.ts'
import { newId } from './new-id.ts'
import { openaiCompatible } from './providers/openai-compatible.ts'
import { createRouter } from './router.ts'

setFlagsFromString('--expose-gc')
// What V8 puts into the old space because it guesses that it will live long, it puts there now and then without a reason.
setFlagsFromString('--no-allocation-site-pretenuring')
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void

let fullCollections = 0
new PerformanceObserver((list) => {
  const collections = list.getEntries() as unknown as readonly { readonly detail: { readonly kind: number } }[]
  fullCollections += collections.filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length
}).observe({ entryTypes: ['gc'] })

/** Collections are told of a few turns later. */
async function collected(options?: { type: 'minor' }): Promise<number> {
  collect(options)
  for (let turns = 0; turns < 10; turns++) await nextTurn()
  return fullCollections
}

const oldBytes = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size

const choice = (delta: object, finish: string | null) =>
  Buffer.from(`data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`)
const events = [...Array.from({ length: 20 }, () => choice({ content: 'hello' }, null)), choice({}, 'stop')]
const done = Buffer.from('data: [DONE]\n\n')
const completion = Buffer.from(
  JSON.stringify({ id: 'c', choices: [{ index: 0, message: { content: 'hello' }, finish_reason: 'stop' }] }),
)

/** A provider that answers in turns of the event loop, as one behind a socket does. */
const dispatcher = {
  dispatch({ body }: { readonly body: Uint8Array }, handler: Dispatcher.DispatchHandler) {
    const controller = { abort() {}, pause() {}, resume() {} } as unknown as Dispatcher.DispatchController
    const { stream: isStream } = JSON.parse(Buffer.from(body).toString()) as { stream: boolean }
    void answer()
    return true

    async function answer(): Promise<void> {
      const type = isStream ? 'text/event-stream' : 'application/json'
      handler.onRequestStart?.(controller, undefined)
      await nextTurn()
      handler.onResponseStart?.(controller, 200, { 'content-type': type }, 'OK')
      for (const chunk of isStream ? [...events, done] : [completion]) {
        await nextTurn()
        handler.onResponseData?.(controller, Buffer.from(chunk))
      }
      handler.onResponseEnd?.(controller, {})
    }
  },
} as unknown as Dispatcher

const wide = 1_000_000_000
const money: Partial<RouterOptions> = {
  limits: [{ per: 'user', requestsPerMinute: wide }],
  budgets: [{ per: 'all', limitUsd: wide, window: 'month' }],
}

it.each([
  { calls: 'plain calls', stream: false, options: {} },
  { calls: 'streams', stream: true, options: {} },
  { calls: 'calls with limits and budgets', stream: false, options: money },
])('$calls leave nothing behind for a full collection', async ({ stream, options }) => {
  const upstream = { baseUrl: 'http://upstream.test/v1', model: 'a', price: { input: 2, output: 8 }, dispatcher }
  const router = createRouter({ models: { a: openaiCompatible(upstream) }, ...options })
  const body = Buffer.from(JSON.stringify({ model: 'a', stream, messages: [{ role: 'user', content: 'hello' }] }))
  const sink = { write: () => true, once: () => undefined }
  const callers = 16

  const callsOfEach = 500

  const ask = async () => {
    for (let times = 0; times < callsOfEach; times++) {
      const reply = await router.handle({ body: Buffer.from(body) })
      if (!(reply.body instanceof Uint8Array)) await reply.body.to(sink)
    }
  }
  const askAll = () => Promise.all(Array.from({ length: callers }, ask))

  // What is made once is made with the first of them, and grows old like what is used all the time.
  await collected()
  await askAll()
  await collected({ type: 'minor' })
  const collections = await collected()
  const before = oldBytes()
  await askAll()
  expect(await collected({ type: 'minor' }), 'a full collection in between').toBe(collections)
  const kilobytesLeft = (oldBytes() - before) / 1024 / (callers * callsOfEach)
  expect(kilobytesLeft).toBeLessThan(0.2)
  await router.close()
})

it('an id takes no more than a text of its length', async () => {
  const ids = Array.from({ length: 20_000 }, () => '')
  await collected()
  const before = process.memoryUsage().heapUsed
  for (const index of ids.keys()) ids[index] = newId()
  await collected()
  expect((process.memoryUsage().heapUsed - before) / ids.length).toBeLessThan(100)
  expect(new Set(ids).size).toBe(ids.length)
})
