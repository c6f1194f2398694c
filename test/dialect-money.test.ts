import { Agent, type Dispatcher } from 'undici'
import { expect, it, onTestFinished } from 'vitest'
import { type Router, type RouterOptions, openai, usdOf } from '@signalbox/core'
import { chunk, json, lastChunk, streamHead } from '@signalbox/testkit'
import { send } from './support/caller.ts'
import { type Wire, pairs, speakers, wholeStream, wires } from './support/dialects.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, routerFor, upstreamThat } from './support/routers.ts'

/** 1 nano-USD for a token of input, 10 for one of output, 2 for one that is written to a cache. */
const price = { input: 0.001, output: 0.01, cachedInput: 0.0005, cacheWrite: 0.002 }

function routerTo(wire: Wire, upstream: { readonly baseUrl: string }, options: Partial<RouterOptions> = {}): Router {
  const model = wire.model(upstream, { price })
  const budgets = [{ per: 'all', window: 'month', limitUsd: 1 }] as const
  return routerFor({ models: { auto: model }, budgets, ledger: 'memory', retry: false, ...options })
}

/** What stands in the ledger, which is what stands in the budget. */
async function charged(router: Router) {
  await eventually(() => [...router.ledger!.calls()].length > 0)
  const rows = [...router.ledger!.attempts()]
  const nanoUsd = rows.reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)
  expect(await router.budgets()).toMatchObject([{ settledUsd: usdOf(nanoUsd), heldUsd: '0' }])
  return { nanoUsd, estimated: rows.some(({ estimated }) => estimated) }
}

const title = '$caller.name to $provider.name'
const limitFields = {
  'openai-chat': ['max_tokens', 'max_completion_tokens'],
  'anthropic-messages': ['max_tokens'],
  'openai-responses': ['max_output_tokens'],
}

describeMounts('money', (mount) => {
  it.each(pairs)(`${title}: a budget that is used up refuses, and asks nobody`, async ({ caller, provider }) => {
    const upstream = await upstreamThat(json(provider.plain('Hello')))
    const budgets = [{ per: 'all', window: 'month', limitUsd: 1e-9 }] as const
    const router = routerTo(provider, upstream, { budgets })

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request() })

    expect(answer.status).toBe(429)
    expect(answer.headers['x-should-retry']).toBe('false')
    expect(caller.errorOf(answer.json()).code).toBe('budget_exceeded')
    expect(upstream.requests).toHaveLength(0)
  })

  it.each(pairs)(`${title}: what is left of a budget limits what the model may write`, async ({ caller, provider }) => {
    const upstream = await upstreamThat(json(provider.plain('Hello')))
    const budgets = [{ per: 'all', window: 'month', limitUsd: 2_000e-9 }] as const
    const router = routerTo(provider, upstream, { budgets })
    const { max_tokens: _, ...body } = caller.request()

    const { status } = await send(await mount.serve(router), { path: caller.path, body })

    const sent = upstream.requests[0]!.json() as Record<string, number>
    const limits = limitFields[provider.name].flatMap((field) => sent[field] ?? [])
    expect(status).toBe(200)
    expect(limits).toHaveLength(1)
    expect(limits[0]).toBeGreaterThanOrEqual(16)
    expect(limits[0]! * 10).toBeLessThanOrEqual(2_000)
  })

  it.each(speakers)('limits hold for $name', async (caller) => {
    const wire = wires[0]!
    const upstream = await upstreamThat(json(wire.plain('Hello')))
    const router = routerTo(wire, upstream, { limits: [{ per: 'all', requestsPerMinute: 1 }] })
    const mounted = await mount.serve(router)

    const first = await send(mounted, { path: caller.path, body: caller.request() })
    const second = await send(mounted, { path: caller.path, body: caller.request() })

    expect([first.status, second.status]).toEqual([200, 429])
    expect(caller.errorOf(second.json()).code).toBe('rate_limit_exceeded')
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(0)
  })

  it('embeddings are held and charged for their input alone', async () => {
    const usage = { prompt_tokens: 7, total_tokens: 7 }
    const data = [{ object: 'embedding', index: 0, embedding: [1] }]
    const upstream = await upstreamThat(json({ object: 'list', data, model: 'm', usage }))
    const router = routerFor({
      models: { auto: openai('m', { baseUrl: upstream.baseUrl, price, apiKey: 'key' }) },
      budgets: [{ per: 'all', window: 'month', limitUsd: 100e-9 }],
      ledger: 'memory',
    })

    const { status } = await send(await mount.serve(router), {
      path: '/embeddings',
      body: { model: 'auto', input: 'a text' },
    })

    expect(status).toBe(200)
    expect(await charged(router)).toEqual({ nanoUsd: 7n, estimated: false })
  })
})

it('embeddings are paid for by a budget at the listed price of their input', async () => {
  const usage = { prompt_tokens: 7, total_tokens: 7 }
  const data = [{ object: 'embedding', index: 0, embedding: [1] }]
  const upstream = await upstreamThat(json({ object: 'list', data, model: 'm', usage }))
  const agent = new Agent()
  onTestFinished(() => agent.close())
  const dispatcher: Pick<Dispatcher, 'dispatch'> = {
    dispatch: (options, handler) => agent.dispatch({ ...options, origin: new URL(upstream.baseUrl).origin }, handler),
  }
  const router = routerFor({
    models: { auto: openai('text-embedding-3-small', { dispatcher: dispatcher as Dispatcher, apiKey: 'key' }) },
    budgets: [{ per: 'all', window: 'month', limitUsd: 0.01 }],
    ledger: 'memory',
  })

  await router.handle({ dialect: 'openai-embeddings', body: { model: 'auto', input: 'a text' } })

  expect(await charged(router)).toEqual({ nanoUsd: 140n, estimated: false })
})

it.each(wires)('what $name serves at another tier is flagged, streamed or not (Bifrost #5063)', async (wire) => {
  const dear =
    wire.name === 'anthropic-messages' ? '"usage":{"service_tier":"priority",' : '"service_tier":"priority","usage":{'
  const atAnotherTier = (text: string) => text.replace('"usage":{', dear)
  const plain = JSON.parse(atAnotherTier(JSON.stringify(wire.plain('Hello')))) as object
  const streamed = [streamHead(), ...wholeStream(wire).map((piece) => chunk(atAnotherTier(piece))), lastChunk()]
  const caller = speakers.find(({ name }) => name === wire.name)!

  for (const stream of [false, true]) {
    const router = routerTo(wire, await upstreamThat(stream ? streamed : json(plain)))
    const body = JSON.stringify(caller.request(stream ? { stream } : {}))
    await (await router.fetch(`http://in.process/v1${caller.path}`, { method: 'POST', body })).text()
    await charged(router)
    expect([...router.ledger!.attempts()]).toMatchObject([{ estimated: false, usageFaults: ['other_tier'] }])
  }
})

describeMounts('classes of tokens', (mount) => {
  const messages = wires[1]!
  const usage = { input_tokens: 3, cache_read_input_tokens: 100, cache_creation_input_tokens: 50, output_tokens: 5 }
  const said = { ...messages.plain('Hello'), usage }

  it.each(speakers)('of Anthropic are charged apart, and told in the way of $name', async (caller) => {
    const router = routerTo(messages, await upstreamThat(json(said)))

    const answer = await send(await mount.serve(router), { path: caller.path, body: caller.request() })

    const told = {
      'openai-chat': { prompt_tokens: 153, prompt_tokens_details: { cached_tokens: 100 }, completion_tokens: 5 },
      'anthropic-messages': usage,
      'openai-responses': { input_tokens: 153, input_tokens_details: { cached_tokens: 100 }, output_tokens: 5 },
    }
    expect(answer.json().usage).toMatchObject(told[caller.name])
    expect(await charged(router)).toEqual({ nanoUsd: 3n + 50n + 100n + 50n, estimated: false })
  })

  it('of Anthropic that are written to a cache for an hour are charged for it, and held for it before', async () => {
    const long = { ...usage, cache_creation: { ephemeral_1h_input_tokens: 30, ephemeral_5m_input_tokens: 20 } }
    const upstream = await upstreamThat(json({ ...said, usage: long }))
    const bound = (limitUsd: number, hourly: object = { longCacheWrite: 0.1 }): Partial<RouterOptions> => ({
      models: { auto: messages.model(upstream, { price: { ...price, ...hourly } }) },
      budgets: [{ per: 'all', window: 'month', limitUsd }],
    })
    const asked = {
      path: '/messages',
      body: { model: 'auto', messages: [{ role: 'user', content: 'hi' }], max_tokens: 9 },
    }

    const router = routerTo(messages, upstream, bound(1))
    await send(await mount.serve(router), asked)
    const tight = await send(await mount.serve(routerTo(messages, upstream, bound(3_000e-9))), asked)

    expect(await charged(router)).toEqual({ nanoUsd: 3n + 50n + 20n * 2n + 30n * 100n + 50n, estimated: false })
    expect([...router.ledger!.attempts()]).toMatchObject([{ overrun: false, longCacheWriteTokens: 30 }])
    expect([...router.ledger!.attempts()][0]!.usageFaults).toBeUndefined()
    expect(tight.status).toBe(429)

    const unknown = routerTo(messages, upstream, bound(1, {}))
    await send(await mount.serve(unknown), asked)
    expect(await charged(unknown)).toEqual({ nanoUsd: 3n + 50n + 50n * 2n + 50n, estimated: false })
    expect([...unknown.ledger!.attempts()]).toMatchObject([{ usageFaults: ['long_cache_write'] }])
  })
})
