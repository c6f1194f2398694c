import { describe, expect, it } from 'vitest'
import { type Identity, byTier } from '@signalbox/core'
import { completion } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { modelAt, routerFor, upstreamThat } from './support/routers.ts'

const strategy = byTier({
  tiers: {
    premium: { models: ['large', 'small'], latencySensitive: { models: ['quick', 'large'], strategy: 'ordered' } },
    free: { models: ['small'], latencySensitive: {} },
  },
  otherwise: { models: ['small', 'quick'] },
})

describeMounts('the tier of a caller', (mount) => {
  it('is what the host says, and nothing that the request says', async () => {
    const upstream = await upstreamThat(completion({ content: 'ok' }))
    const models = Object.fromEntries(['large', 'small', 'quick'].map((name) => [name, modelAt(upstream)]))
    const router = routerFor({ models, routes: { auto: { strategy } } })
    const plans: Record<string, Identity> = {
      ada: { user: 'ada', tier: 'premium' },
      bob: { user: 'bob', tier: 'premium', latencySensitive: true },
      eve: { user: 'eve', tier: 'free' },
    }
    const mounted = await mount.serve(router, { identify: (req) => plans[String(req.headers['x-session'])] })
    const modelFor = async (session: string, headers: object = {}, body: object = {}) => {
      const all = { 'x-session': session, ...headers }
      return (await send(mounted, { body: chat(body), headers: all })).headers['x-signalbox-model']
    }
    expect(await modelFor('ada')).toBe('large')
    expect(await modelFor('bob')).toBe('quick')
    expect(await modelFor('eve')).toBe('small')
    expect(await modelFor('nobody')).toBe('small')
    const claims = { tier: 'premium', latencySensitive: true }
    expect(await modelFor('eve', { 'x-tier': 'premium', 'x-user-tier': 'premium' }, claims)).toBe('small')
    expect(await modelFor('eve', {}, { metadata: claims, user: 'ada' })).toBe('small')
  })

  it('may come with an API key', async () => {
    const upstream = await upstreamThat(completion({ content: 'ok' }))
    const models = Object.fromEntries(['large', 'small', 'quick'].map((name) => [name, modelAt(upstream)]))
    const keys = [{ name: 'desk', key: 'sk-desk', tier: 'premium', latencySensitive: true }]
    const mounted = await mount.serve(routerFor({ models, routes: { auto: { strategy } }, keys }))
    const answer = await send(mounted, { body: chat(), headers: { authorization: 'Bearer sk-desk' } })
    expect(answer.headers['x-signalbox-model']).toBe('quick')
  })
})

describe('the strategy tier', () => {
  const models = { large: {}, small: {}, quick: {} }

  it('says why: the tier, whether it is known, and whether time matters', async () => {
    const { router } = yard({ models, routes: { auto: { strategy } } })
    const reasonFor = async (identity: Identity) =>
      (await router.explain({ body: chat(), identity })).candidates.map(({ name, reason }) => `${name}: ${reason}`)
    expect(await reasonFor({ tier: 'premium' })).toEqual([
      'large: tier "premium"; place 1 in the list',
      'small: tier "premium"; place 2 in the list',
    ])
    expect(await reasonFor({ tier: 'premium', latencySensitive: true })).toEqual([
      'quick: tier "premium", latency-sensitive; place 1 in the list',
      'large: tier "premium", latency-sensitive; place 2 in the list',
    ])
    expect((await reasonFor({ tier: 'gold' }))[0]).toContain('no tier like "gold"')
    expect((await reasonFor({}))[0]).toContain('no tier;')
    expect((await reasonFor({ tier: 'free', latencySensitive: true }))[0]).toMatch(/^small: .*not known yet$/)
  })

  it('is not moved for one tier by the calls of another', async () => {
    const turns = byTier({
      tiers: { a: { models: ['large', 'small'], strategy: 'round-robin' } },
      otherwise: { models: ['large', 'small'], strategy: 'round-robin' },
    })
    const alone = yard({ models, routes: { auto: { strategy: turns } } })
    const mixed = yard({ models, routes: { auto: { strategy: turns } } })
    const answered: Record<string, (string | undefined)[]> = { alone: [], mixed: [] }
    for (let at = 0; at < 12; at++) {
      for (let other = 0; other < at % 3; other++) mixed.call()
      const one = alone.call({}, { identity: { tier: 'a' } })
      const two = mixed.call({}, { identity: { tier: 'a' } })
      await Promise.all([alone.clock.advance(10), mixed.clock.advance(10)])
      answered['alone']!.push(one.value?.model)
      answered['mixed']!.push(two.value?.model)
    }
    expect(answered['mixed']).toEqual(answered['alone'])
  })

  it.each([
    [{ use: 'tier', tiers: {} }, 'strategy.otherwise'],
    [
      { use: 'tier', tiers: { a: { models: ['none'] } }, otherwise: { models: ['large'] } },
      'strategy.tiers.a.models[0]',
    ],
    [
      {
        use: 'tier',
        tiers: { a: { models: ['large'], latencySensitive: { strategy: 'fast' } } },
        otherwise: { models: ['large'] },
      },
      'strategy.tiers.a.latencySensitive.strategy: no strategy is named "fast"',
    ],
  ])('refuses %j: %s', (wrong, fault) => {
    expect(() => yard({ models, routes: { auto: { strategy: wrong } } })).toThrow(fault)
  })
})
