import { expect, it } from 'vitest'
import { completion, errorBody, json, jsonError } from '@signalbox/testkit'
import { wires } from './support/dialects.ts'
import { chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { modelAt, routerFor, upstreamThat } from './support/routers.ts'

const fine = completion({ content: 'ok' })
const tooLong = {
  message: 'This model reads 8192 tokens',
  type: 'invalid_request_error',
  code: 'context_length_exceeded',
}
const words = (count: number) => [{ role: 'user', content: 'word '.repeat(count) }]

describeMounts('a context window', (mount) => {
  const windows = async (sizes: Record<string, number | undefined>, script = fine) => {
    const upstreams = Object.fromEntries(
      await Promise.all(Object.keys(sizes).map(async (name) => [name, await upstreamThat(script)] as const)),
    )
    const models = Object.entries(sizes).map(([name, contextWindow]) => [
      name,
      modelAt(upstreams[name]!, contextWindow === undefined ? {} : { contextWindow }),
    ])
    const router = routerFor({
      models: Object.fromEntries(models),
      routes: { auto: { models: Object.keys(sizes) } },
    })
    const to = await mount.serve(router)
    return { upstreams, answer: (extra: object) => send(to, { body: chat(extra) }) }
  }

  it('that is too small is passed over, with the output that was asked for', async () => {
    const { answer } = await windows({ small: 1_000, middle: 10_000, large: 100_000 })
    const modelFor = async (extra: object) => (await answer(extra)).headers['x-signalbox-model']
    expect(await modelFor({})).toBe('small')
    expect(await modelFor({ messages: words(1_500) })).toBe('middle')
    expect(await modelFor({ max_tokens: 5_000 })).toBe('middle')
    expect(await modelFor({ max_completion_tokens: 50_000 })).toBe('large')
    expect(await modelFor({ messages: words(8_000), max_tokens: 4_000 })).toBe('large')
    expect(await modelFor({ messages: words(1_500), max_tokens: -1e9 })).toBe('middle')
  })

  it('is needed once for each of several choices', async () => {
    const { answer } = await windows({ small: 1_000, large: 100_000 })
    expect((await answer({ max_tokens: 600, n: 5 })).headers['x-signalbox-model']).toBe('small')
  })

  it('that is too small everywhere is a clear 400, and nothing is sent', async () => {
    const { answer, upstreams } = await windows({ small: 1_000, middle: 2_000 })
    const refusal = await answer({ messages: words(3_000), max_tokens: 500, n: 2 })
    expect(refusal.status).toBe(400)
    expect(refusal.json().error).toMatchObject({
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
      message: expect.stringMatching(/about 3\d{3} tokens .*500 out.* 2000/),
    })
    for (const { requests } of Object.values(upstreams)) expect(requests).toHaveLength(0)
  })

  it('that the provider finds exceeded moves on to a larger one only', async () => {
    const { answer, upstreams } = await windows({ unknown: undefined, first: 8_000, same: 8_000, large: 100_000 })
    for (const name of ['unknown', 'first']) upstreams[name]!.respond(jsonError(400, tooLong))
    const refused = await answer({})
    expect(refused.status).toBe(400)
    expect(refused.json()).toEqual(errorBody(tooLong))
    expect(upstreams['first']!.requests).toHaveLength(0)

    upstreams['unknown']!.respond(jsonError(401))
    const answered = await answer({})
    expect(answered.headers['x-signalbox-model']).toBe('large')
    expect(upstreams['first']!.requests).toHaveLength(1)
    expect(upstreams['same']!.requests).toHaveLength(0)
  })

  it('that a provider finds exceeded, and says so in words only, moves on too, with the code that clients know', async () => {
    const messages = wires.find(({ name }) => name === 'anthropic-messages')!
    const error = { type: 'invalid_request_error', message: 'prompt is too long: 9353 tokens > 8000 maximum' }
    const small = await upstreamThat(json({ type: 'error', error }, { status: 400 }))
    const large = await upstreamThat(fine)
    const models = {
      small: messages.model(small, { contextWindow: 8_000 }),
      large: modelAt(large, { contextWindow: 100_000 }),
    }
    const to = await mount.serve(routerFor({ models, routes: { auto: { models: ['small', 'large'] } } }))

    const answered = await send(to, { body: chat() })
    const refused = await send(to, { body: chat({ model: 'small' }) })

    expect(answered.headers['x-signalbox-model']).toBe('large')
    expect(refused.status).toBe(400)
    expect(refused.json().error).toMatchObject({ code: 'context_length_exceeded', message: error.message })
  })

  it('stays exceeded when the larger one fails too: smaller ones are not tried after it', async () => {
    const { answer, upstreams } = await windows({ first: 8_000, large: 100_000, small: 4_000 })
    upstreams['first']!.respond(jsonError(400, tooLong))
    upstreams['large']!.respond(jsonError(401))
    const refused = await answer({})
    expect(refused.status).toBe(502)
    expect(upstreams['large']!.requests).toHaveLength(1)
    expect(upstreams['small']!.requests).toHaveLength(0)
  })

  it('that no larger one stands behind keeps the words and the code of the provider', async () => {
    const { answer, upstreams } = await windows({ large: 100_000, small: 8_000 })
    upstreams['large']!.respond(jsonError(400, tooLong))
    const refused = await answer({})
    expect(refused.status).toBe(400)
    expect(refused.json()).toEqual(errorBody(tooLong))
    expect(upstreams['small']!.requests).toHaveLength(0)
  })
})
