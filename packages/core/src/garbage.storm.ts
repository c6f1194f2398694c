import { PerformanceObserver, constants } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Dispatcher } from 'undici'
import { expect, it } from 'vitest'
import { openaiCompatible } from './providers/openai-compatible.ts'
import type { RouterOptions } from './config/options.ts'
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

  async function kilobytesLeftByEach(calls: number): Promise<number> {
    const collections = await collected()
    const before = oldBytes()
    const ask = async () => {
      for (let times = 0; times < calls / callers; times++) {
        const reply = await router.handle({ body: Buffer.from(body) })
        if (!(reply.body instanceof Uint8Array)) await reply.body.to(sink)
      }
    }
    await Promise.all(Array.from({ length: callers }, ask))
    expect(await collected({ type: 'minor' }), 'a full collection in between').toBe(collections)
    return (oldBytes() - before) / 1024 / calls
  }

  await kilobytesLeftByEach(8_000).catch(() => undefined)
  const left = await kilobytesLeftByEach(8_000)
  expect(left).toBeLessThan(0.2)
  await router.close()
})
