import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { completion } from '@signalbox/testkit'
import { chat, send } from '../support/caller.ts'
import { describeMounts } from '../support/mounts.ts'
import { routerOver, upstreamThat } from '../support/routers.ts'

const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array))
const json = fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text))
const request = fc
  .record({
    model: fc.oneof(fc.constant('auto'), fc.string(), fc.jsonValue()),
    messages: fc.jsonValue(),
    stream: fc.oneof(
      fc.constant(false),
      fc.jsonValue().filter((value) => value !== true),
    ),
    tools: fc.jsonValue(),
    stop: fc.jsonValue(),
    n: fc.jsonValue(),
    max_tokens: fc.double(),
    response_format: fc.jsonValue(),
  })
  .map((body) => Buffer.from(JSON.stringify(body)))
/** A good request with some of its bytes changed. */
const damaged = fc
  .tuple(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat())
  .map(([changes, end]) => {
    const body = Buffer.from(JSON.stringify(chat({ seed: 1, user: 'Hà Nội' })))
    for (const [at, byte] of changes) body[at % body.length] = byte
    return end % 3 === 0 ? body.subarray(0, end % body.length) : body
  })

describeMounts('any bytes as the body of a request', (mount) => {
  it.each([undefined, '1mb'])(
    'get an answer or a well-formed error, with a body parser of %s in front',
    { timeout: 30_000 },
    async (parserLimit) => {
      const upstream = await upstreamThat(completion({ content: 'an answer' }))
      const router = routerOver([upstream], { retry: false })
      const mounted = await mount.serve(router, parserLimit === undefined ? {} : { parserLimit })
      const body = fc.oneof(bytes, json, request, damaged)

      await fc.assert(
        fc.asyncProperty(
          body,
          fc.constantFrom('application/json', 'text/plain', 'application/octet-stream', ''),
          async (sent, type) => {
            const answer = await send(mounted, { body: sent, headers: { 'content-type': type } })

            expect([200, 400, 404]).toContain(answer.status)
            expect(answer.complete).toBe(true)
            expect(answer.headers['content-type']).toBe('application/json')
            const told = answer.json() as object
            expect(told).toHaveProperty(answer.status === 200 ? 'choices' : 'error.message')
          },
        ),
        { numRuns: 150, seed: 7 },
      )
      expect(mounted.hostErrors).toEqual([])
    },
  )
})

describeMounts('any path and method', (mount) => {
  it('gets an answer, ours or the host’s', { timeout: 30_000 }, async () => {
    const mounted = await mount.serve(routerOver([await upstreamThat(completion({ content: 'an answer' }))]))
    const segment = fc.oneof(
      fc.constantFrom('v1', 'models', 'chat', 'completions', 'health', '%', '%00', '..', '%2e%2e', '%ff'),
      fc.webSegment(),
    )
    const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`)

    await fc.assert(
      fc.asyncProperty(
        path,
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
        async (where, method) => {
          const answer = await send(mounted, { method, path: where })
          expect([200, 400, 404, 405, 418]).toContain(answer.status)
          expect(answer.complete).toBe(true)
        },
      ),
      { numRuns: 100, seed: 7 },
    )
    expect(mounted.hostErrors.filter((error) => !(error instanceof URIError))).toEqual([])
  })
})
