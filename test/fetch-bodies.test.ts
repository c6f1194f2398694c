import { gzipSync } from 'node:zlib'
import { expect, it, vi } from 'vitest'
import type { Router } from '@signalbox/core'
import { completion } from '@signalbox/testkit'
import { chat } from './support/caller.ts'
import { eventually, routerOver, upstreamThat } from './support/routers.ts'

const answering = () => upstreamThat(completion({ content: 'an answer' }))

/** Asks by `router.fetch`, as a framework of that style does. */
function ask({ fetch }: Router, init: RequestInit): Promise<Response> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, ...init }
  return fetch(new Request('http://in.process/v1/chat/completions', { duplex: 'half', ...request }))
}

/** A body that is written piece by piece, and whether its reader has gone. */
function bodyOf(pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>) {
  const cancelled = vi.fn<(reason: unknown) => void>()
  return { cancelled, body: new ReadableStream<Uint8Array>({ pull, cancel: cancelled }) }
}

it('reads a body that comes in pieces', async () => {
  const pieces = [...Buffer.from(JSON.stringify(chat({ user: 'Đà Nẵng' })))].map((byte) => Uint8Array.of(byte))
  const upstream = await answering()
  const { body } = bodyOf((controller) => {
    const piece = pieces.shift()
    if (piece) controller.enqueue(piece)
    else controller.close()
  })

  expect((await ask(routerOver([upstream]), { body })).status).toBe(200)
  expect(JSON.parse(upstream.requests[0]!.body.toString()).user).toBe('Đà Nẵng')
})

it('reads no further than the largest body', async () => {
  let given = 0
  const { body, cancelled } = bodyOf((controller) => {
    given += 1_000
    controller.enqueue(new Uint8Array(1_000))
    if (given === 1_000_000) controller.close()
  })

  const answer = await ask(routerOver([await answering()], { maxRequestBytes: 10_000 }), { body })

  expect(answer.status).toBe(413)
  expect(await answer.json()).toMatchObject({ error: { code: 'request_too_large' } })
  expect(given).toBeLessThan(15_000)
  expect(cancelled).toHaveBeenCalledTimes(1)
})

it('ends with its signal while the body is on its way', async () => {
  const leaving = new AbortController()
  const { body, cancelled } = bodyOf(() => new Promise(() => undefined))
  const upstream = await answering()

  const answer = ask(routerOver([upstream]), { body, signal: leaving.signal })
  await eventually(() => body.locked)
  leaving.abort(new Error('enough'))

  await expect(answer).rejects.toThrow('enough')
  expect(cancelled).toHaveBeenCalledTimes(1)
  expect(upstream.requests).toHaveLength(0)
})

it('takes a body that breaks off for a caller who left, and logs no error', async () => {
  const log = () => vi.fn<(fields: object) => void>()
  const logger = { debug: log(), info: log(), warn: log(), error: log() }
  const { body } = bodyOf((controller) => controller.error(new Error('the line is dead')))

  const answer = await ask(routerOver([await answering()], { logger }), { body })

  expect(answer.status).toBe(499)
  expect(await answer.json()).toMatchObject({ error: { code: 'cancelled' } })
  expect(logger.error).not.toHaveBeenCalled()
})

it('tells of a compressed body what it is', async () => {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }

  const answer = await ask(routerOver([await answering()]), { headers, body: gzipSync(JSON.stringify(chat())) })

  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({
    error: { code: 'invalid_body', message: expect.stringContaining('gzip') },
  })
})
