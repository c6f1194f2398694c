import { describe, expect, it } from 'vitest'
import {
  chunk,
  end,
  errorBody,
  fixtureUsage,
  reset,
  type Script,
  sse,
  sseComment,
  stream,
  streamEvents,
  streamHead,
} from '@signalbox/testkit'
import { chat, contentOf, eventsOf, send } from './support/caller.ts'
import { describeHosts } from './support/mounts.ts'
import { listenTo, routerOver, simulatedProvider, modelAt, routerFor, upstreamThat } from './support/routers.ts'

const [role, hel, lo] = streamEvents({ content: ['Hel', 'lo'] }) as [string, string, string]
const finishOfFirst = sse({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: fixtureUsage })
const another = stream(streamEvents({ content: ['from ', 'the second'] }))
const request = { body: chat({ stream: true }) }

const deaths: Record<string, Script> = {
  'is reset after its head': [streamHead(), reset()],
  'is reset after its role chunk': [streamHead(), chunk(role), reset()],
  'ends after its role chunk': [streamHead(), chunk(role), end()],
  'ends in order after its role chunk': stream([role]),
  'sends comments only': stream([sseComment('still thinking'), sseComment('still thinking')]),
  'sends [DONE] only': stream([sse('[DONE]')]),
  'begins with an error event': stream([sse(errorBody({ code: 'server_is_overloaded' }))]),
  'sends a role chunk and then an error': stream([role, sse(errorBody({ type: 'overloaded_error' }))]),
}

describeHosts('a stream that dies before its first content', (mount) => {
  it.each(Object.entries(deaths))('is answered by the next model, unseen, when it %s', async (_, script) => {
    const router = routerOver([await upstreamThat(script), await upstreamThat(another)])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), request)

    expect(answer.status).toBe(200)
    expect(answer.headers['x-signalbox-model']).toBe('second')
    expect(answer.headers['x-signalbox-attempts']).toBe('2')
    expect(contentOf(answer.text)).toBe('from the second')
    expect(answer.text.match(/"role":"assistant"/g)).toHaveLength(1)
    expect(answer.text.match(/\[DONE\]/g)).toHaveLength(1)
    expect(answer.complete).toBe(true)
    expect(told.filter(({ event }) => event === 'failover')).toMatchObject([
      { payload: { from: 'first', to: 'second' } },
    ])
  })

  it('is told as an error with a status when no model is left', async () => {
    const router = routerOver([await upstreamThat(stream([role]))])

    const answer = await send(await mount.serve(router), request)

    expect(answer.status).toBe(502)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.json().error).toMatchObject({ type: 'upstream_error', code: 'bad_upstream_response' })
  })
})

describeHosts('a stream that dies after its first content', (mount) => {
  it.each([
    { death: 'is reset', script: [streamHead(), chunk(role), chunk(hel), reset()], code: 'stream_interrupted' },
    { death: 'is cut off', script: [streamHead(), chunk(role), chunk(hel), end()], code: 'stream_interrupted' },
    { death: 'ends without a finish reason', script: stream([role, hel, lo]), code: 'stream_truncated' },
    {
      death: 'is reset when one of two choices is finished',
      script: [streamHead(), ...[role, hel, finishOfFirst].map(chunk), reset()],
      choices: 2,
      code: 'stream_interrupted',
    },
    {
      death: 'ends when one of two choices is finished',
      script: stream([role, hel, finishOfFirst]),
      choices: 2,
      code: 'stream_truncated',
    },
  ])('ends in an error event when it $death, and no other model is asked', async ({ script, choices, code }) => {
    const second = await upstreamThat(another)
    const router = routerOver([await upstreamThat(script), second])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat({ stream: true, n: choices }) })

    expect(answer.status).toBe(200)
    expect(answer.text.startsWith(role + hel)).toBe(true)
    const last = JSON.parse(eventsOf(answer.text).at(-1)!) as object
    expect(last).toEqual({ error: { message: expect.any(String), type: 'upstream_error', param: null, code } })
    expect(answer.text).not.toContain('[DONE]')
    expect(answer.complete).toBe(true)
    expect(second.requests).toHaveLength(0)
    expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toMatchObject({
      how: 'cut',
      estimated: true,
    })
  })
})

describeHosts('the usage of a stream', (mount) => {
  const events = streamEvents({ content: ['Hel', 'lo'], usage: fixtureUsage })
  const usageChunk = events.at(-2)!

  it('is asked of the provider, and kept from a caller who did not ask', async () => {
    const upstream = await upstreamThat(stream(events))
    const router = routerOver([upstream])
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), request)

    expect(upstream.requests[0]!.json()).toMatchObject({ stream_options: { include_usage: true } })
    expect(answer.text).toBe(events.filter((event) => event !== usageChunk).join(''))
    expect(told.find(({ event }) => event === 'call.ended')!.payload.ended).toMatchObject({
      how: 'complete',
      estimated: false,
      usage: { inputTokens: 10, outputTokens: 5 },
    })
  })

  it('is handed to a caller who asked', async () => {
    const router = routerOver([await upstreamThat(stream(events))])

    const answer = await send(await mount.serve(router), {
      body: chat({ stream: true, stream_options: { include_usage: true } }),
    })

    expect(answer.text).toBe(events.join(''))
  })

  it("keeps the caller's other stream options", async () => {
    const upstream = await upstreamThat(stream(events))

    await send(await mount.serve(routerOver([upstream])), {
      body: chat({ stream: true, stream_options: { include_obfuscation: false } }),
    })

    expect(upstream.requests[0]!.json()).toMatchObject({
      stream_options: { include_obfuscation: false, include_usage: true },
    })
  })
})

describeHosts('streams', (mount) => {
  it('carry headers that keep anything between from gathering or changing them', async () => {
    const router = routerOver([await upstreamThat(another)])

    const { headers } = await send(await mount.serve(router), request)

    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    })
  })

  it('from the simulated provider come through with every fault it knows', async () => {
    const provider = await simulatedProvider()
    const router = routerFor({
      models: { bad: modelAt(provider, { model: 'gpt-4.1' }), good: modelAt(provider, { model: 'deepseek-v3.2' }) },
      routes: { auto: { models: ['bad', 'good'] } },
      retry: false,
      breaker: false,
      health: false,
    })
    const mounted = await mount.serve(router)
    for (const fault of [
      'cut-before-content',
      'end-before-content',
      'error-before-content',
      'malformed',
      'html',
    ] as const) {
      provider.fail('gpt-4.1', fault, { times: 1 })
      const answer = await send(mounted, request)
      expect(answer.headers['x-signalbox-model'], fault).toBe('good')
      expect(eventsOf(answer.text).at(-1), fault).toBe('[DONE]')
    }
    for (const fault of ['cut-after-content', 'end-after-content', 'error-after-content'] as const) {
      provider.fail('gpt-4.1', fault, { times: 1 })
      const answer = await send(mounted, request)
      expect(answer.headers['x-signalbox-model'], fault).toBe('bad')
      expect(JSON.parse(eventsOf(answer.text).at(-1)!), fault).toHaveProperty('error.type')
      expect(answer.text, fault).not.toContain('[DONE]')
    }
  })
})

describe('a stream in process', () => {
  it('ends in an error event as over a socket', async () => {
    const router = routerOver([await upstreamThat([streamHead(), chunk(role), chunk(hel), reset()])])

    const response = await router.fetch('http://in.process/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(request.body),
    })

    expect(eventsOf(await response.text()).at(-1)).toContain('stream_interrupted')
  })
})
