import { streamEvents } from '@signalbox/testkit'
import { Dispatcher } from 'undici'
import { expect, it } from 'vitest'
import { routerFor, modelAt } from './support/routers.ts'

const mebibyte = 2 ** 20

/** A provider that sends events as long as nobody stops it, up to 64 MiB. */
class Flood extends Dispatcher {
  bytesSent = 0

  override dispatch(_sent: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const block = Buffer.from(
      streamEvents({ content: ['x'.repeat(16 * 1024)], finishReason: null, done: false }).join(''),
    )
    const flow = { isPaused: false }
    const push = () => {
      while (!flow.isPaused && this.bytesSent < 64 * mebibyte) {
        this.bytesSent += block.length
        handler.onResponseData?.(controller, block)
      }
    }
    const controller: Dispatcher.DispatchController = {
      aborted: false,
      paused: false,
      reason: null,
      abort: (reason: Error) => handler.onResponseError?.(controller, reason),
      pause: () => void (flow.isPaused = true),
      resume: () => {
        flow.isPaused = false
        push()
      },
    }
    handler.onRequestStart?.(controller, {})
    handler.onResponseStart?.(controller, 200, { 'content-type': 'text/event-stream' }, 'OK')
    push()
    return true
  }
}

it('case 53: of a stream that nobody reads not more than 1 MiB is taken, and reading takes more', async () => {
  const flood = new Flood()
  const router = routerFor({ models: { a: modelAt({ baseUrl: 'http://a.invalid/v1' }, { dispatcher: flood }) } })
  const reply = await router.handle({ body: { model: 'a', messages: [], stream: true } })
  expect(flood.bytesSent).toBeGreaterThan(0)
  expect(flood.bytesSent).toBeLessThanOrEqual(mebibyte)

  let read = 0
  for await (const bytes of reply.body as AsyncIterable<Uint8Array>) {
    read += bytes.length
    expect(flood.bytesSent - read).toBeLessThanOrEqual(mebibyte)
    if (read > 4 * mebibyte) break
  }
  reply.cancel('enough')
})
