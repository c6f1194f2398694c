import { describe, expect, it } from 'vitest'
import { type RouteOptions, byBandit, byCascade, byComplexity, byRules, byTier } from '@signalbox/core'
import { completion } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { refused, yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { modelAt, routerFor, upstreamThat } from './support/routers.ts'

const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
const picture = [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, image] }]
const film = { type: 'video_url', video_url: { url: 'https://films.invalid/a.mp4' } }
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }]

describeMounts('what a model cannot take', (mount) => {
  const serve = async (models: Readonly<Record<string, object>>) => {
    const upstream = await upstreamThat(completion({ content: 'ok' }))
    const entries = Object.entries(models).map(([name, extra]) => [name, modelAt(upstream, extra)] as const)
    const router = routerFor({ models: Object.fromEntries(entries), routes: { auto: { models: Object.keys(models) } } })
    const mounted = await mount.serve(router)
    return { upstream, ask: (body: object) => send(mounted, { body: chat(body) }) }
  }

  it('is not sent to it: tools, and pictures', async () => {
    const { ask } = await serve({ plain: { tools: false, modalities: [] }, deaf: { tools: false }, all: {} })
    const modelFor = async (body: object) => (await ask(body)).headers['x-signalbox-model']
    expect(await modelFor({})).toBe('plain')
    expect(await modelFor({ messages: picture })).toBe('deaf')
    expect(await modelFor({ tools })).toBe('all')
    expect(await modelFor({ messages: picture, tools })).toBe('all')
  })

  it('is not sent to it: films', async () => {
    const { ask } = await serve({ still: { modalities: ['image'] }, moving: { modalities: ['video'] } })
    const filmed = await ask({ messages: [{ role: 'user', content: [film] }] })
    expect([filmed.status, filmed.headers['x-signalbox-model']]).toEqual([200, 'moving'])
  })

  it('is a clear 400 when no model can, and nothing is sent', async () => {
    const { ask, upstream } = await serve({
      blind: { modalities: ['audio'] },
      idle: { tools: false, contextWindow: 1 },
    })
    const refusal = await ask({ messages: picture, tools })
    expect(refusal.status).toBe(400)
    expect(refusal.json().error).toMatchObject({
      code: 'untranslatable',
      param: 'messages',
      message: expect.stringContaining('tools, image'),
    })
    expect((await ask({ tools, max_tokens: 5 })).status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
  })
})

/** Models that each miss one thing, one that looks ill, and three that have nothing against them. */
const models = {
  small: { contextWindow: 200 },
  idle: { tools: false },
  blind: { modalities: ['audio'] },
  barred: {},
  ill: {},
  one: { modalities: ['image'], tools: true, contextWindow: 100_000 },
  two: {},
  three: {},
} as const
const names = Object.keys(models)
const half = names.length / 2

const strategies: Readonly<Record<string, RouteOptions['strategy']>> = {
  ordered: 'ordered',
  'round-robin': 'round-robin',
  weighted: 'weighted',
  'least-latency': 'least-latency',
  cheapest: 'cheapest',
  complexity: byComplexity({ simple: names.slice(0, half), complex: names.slice(half) }),
  rules: byRules({ rules: [{ when: { tools: true }, models: names, strategy: 'weighted' }], otherwise: ['one'] }),
  tier: byTier({ tiers: { gold: { models: names } }, otherwise: { models: ['one'] } }),
  cascade: byCascade({ cheap: names.slice(0, half), strong: names.slice(half), verify: 'tools' }),
  bandit: byBandit({ arms: ['small', 'ill', 'one', 'two'] }),
  'a function': (_call, candidates) => candidates.map(({ name }) => ({ name })),
}

describe('a request that fits some models only', () => {
  const body = { messages: [{ role: 'user', content: [{ type: 'text', text: 'word '.repeat(400) }, image] }], tools }
  const identity = { tier: 'gold', models: names.filter((name) => name !== 'barred') }

  it.each(Object.keys(strategies))(
    'is ranked by %s among those that it fits, those that look ill last',
    async (name) => {
      const answers = Object.fromEntries(names.map((one) => [one, { ...models[one as keyof typeof models] }]))
      const { clock, call, router } = yard({
        models: { ...answers, ill: { answers: refused(500) } },
        routes: { auto: { strategy: strategies[name], ...(isNamed(strategies[name]) ? {} : { models: names }) } },
        health: { minimumCalls: 1 },
        breaker: false,
        retry: false,
      })
      for (let time = 0; time < 3; time++) call({ model: 'ill' })
      await clock.advance(2_000)
      expect(router.status().models.find((model) => model.name === 'ill')!.health?.state).toBe('unhealthy')
      for (let time = 0; time < 20; time++) {
        const { candidates } = await router.explain({ body: chat(body), identity })
        const ranked = candidates.map((one) => one.name)
        const fitting = name === 'bandit' ? ['one', 'two', 'ill'] : ['one', 'two', 'three', 'ill']
        expect(ranked.toSorted()).toEqual(fitting.toSorted())
        expect(ranked.at(-1)).toBe('ill')
      }
      const followed = call(body, { identity })
      await clock.advance(10)
      expect(['one', 'two', 'three']).toContain(followed.value?.model)
    },
  )

  it('is shown to a strategy with these models alone: so shares and propensities are those of what can answer', async () => {
    const given: string[][] = []
    const strategy: RouteOptions['strategy'] = (_call, candidates) => {
      given.push(candidates.map(({ name }) => name))
      return candidates.map(({ name }) => ({ name }))
    }
    const { router } = yard({ models, routes: { auto: { strategy, models: names } } })
    await router.explain({ body: chat(body), identity })
    expect(given).toEqual([['ill', 'one', 'two', 'three']])

    const arms = byBandit({ arms: ['small', 'barred', 'one', 'two'] })
    const { candidates } = await yard({ models, routes: { auto: { strategy: arms } } }).router.explain({
      body: chat(body),
      identity,
    })
    expect(candidates).toMatchObject([{ propensity: 0.5 }, { propensity: 0.5 }])
  })

  it('is refused as not allowed, too long or not takeable, in this order', async () => {
    const codeFor = async (extra: object, init: object, only: readonly string[]) => {
      const answers = Object.fromEntries(only.map((one) => [one, { ...models[one as keyof typeof models] }]))
      const { clock, call } = yard({ models: answers })
      const followed = call({ ...body, ...extra }, init)
      await clock.advance(1)
      return followed.error?.code as string | undefined
    }
    expect(await codeFor({}, { identity: { models: ['none'] } }, ['small', 'idle'])).toBe('route_not_allowed')
    expect(await codeFor({}, {}, ['small', 'idle', 'blind'])).toBe('context_length_exceeded')
    expect(await codeFor({}, {}, ['idle', 'blind'])).toBe('untranslatable')
    expect(await codeFor({}, {}, ['idle', 'two'])).toBeUndefined()
  })
})

const isNamed = (strategy: RouteOptions['strategy']) => typeof strategy === 'object' && 'use' in strategy
