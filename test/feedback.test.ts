import { describe, expect, it } from 'vitest'
import { type RouterOptions, byBandit, byRules, bySticky } from '@signalbox/core'
import { completion, seededRandom } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { type Canned, refused, yard } from './support/fake-upstream.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, routerOver, upstreamThat } from './support/routers.ts'

describeMounts('POST feedback', (mount) => {
  const serve = async (ledger: RouterOptions['ledger'] = 'memory') => {
    const router = routerOver([await upstreamThat(completion({ content: 'the answer' }))], { ledger })
    const mounted = await mount.serve(router, { authorise: (req) => req.headers['x-admin'] === 'yes' })
    const rate = (body: unknown, headers: object = { 'x-admin': 'yes' }) =>
      send(mounted, { path: '/feedback', body: body as object, headers: headers as Record<string, string> })
    return { router, mounted, rate }
  }

  it('is kept with the decision, told as an event, and answered with what was rated', async () => {
    const { router, mounted, rate } = await serve()
    const told: unknown[] = []
    router.on('feedback', (feedback) => told.push(feedback))
    const id = (await send(mounted, { body: chat() })).headers['x-request-id']!
    await eventually(() => [...router.ledger!.calls()].length === 1)
    const answer = await rate({ id, score: 0.8 })
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    const { callKey } = [...router.ledger!.calls()][0]!
    expect(answer.json()).toEqual({ callKey, callId: id, route: 'auto', model: 'first', score: 0.8 })
    expect(told).toEqual([answer.json()])
    expect([...router.ledger!.ratings()]).toMatchObject([
      { callId: id, score: 0.8, decision: { strategy: 'ordered', candidates: [{ name: 'first' }] } },
    ])
    expect((await rate({ id: callKey, score: 0 })).status).toBe(200)
    expect([...router.ledger!.ratings()]).toMatchObject([{ score: 0 }])
  })

  it('says what is wrong with it', async () => {
    const { rate } = await serve()
    expect((await rate({ id: 'nobody', score: 1 })).status).toBe(404)
    for (const score of [2, -0.1, '1', null, undefined]) {
      const answer = await rate({ id: 'x', score })
      expect(answer.status).toBe(400)
      expect(answer.json()).toMatchObject({ error: { code: 'invalid_body', param: 'score' } })
    }
    expect((await rate({ score: 1 })).json()).toMatchObject({ error: { param: 'id' } })
    expect((await rate([])).json()).toMatchObject({ error: { code: 'invalid_json' } })
  })

  it('is not for everybody, and not there by default or without a ledger', async () => {
    const { rate, router } = await serve()
    expect((await rate({ id: 'x', score: 1 }, {})).status).toBe(403)
    const closed = await mount.serve(router)
    expect([404, 418]).toContain((await send(closed, { path: '/feedback', body: { id: 'x', score: 1 } })).status)
    const without = await serve(false)
    expect((await without.rate({ id: 'x', score: 1 })).status).toBe(404)
  })
})

const ok: Canned = {}

describe('router.feedback', () => {
  it('is for the last of several calls with one id', async () => {
    const { router, ask } = bandit(byBandit({ arms: ['a', 'b'] }))
    await ask('same')
    await ask('same')
    const { callKey } = await router.feedback('same', 1)
    expect(callKey).toBe([...router.ledger!.calls()][1]!.callKey)
  })

  const bandit = (strategy: object, models: object = { a: { answers: ok }, b: { answers: ok } }) => {
    const { clock, router, call } = yard({
      models: models as Parameters<typeof yard>[0]['models'],
      routes: { auto: { strategy: strategy as { use: string } } },
      ledger: 'memory',
      random: seededRandom(3),
      retry: false,
    })
    const ask = async (id: string) => {
      const followed = call({}, { id })
      await clock.advance(10)
      return followed.value!.model
    }
    const expected = async () => {
      const { candidates } = await router.explain({ body: chat() })
      return Object.fromEntries(
        candidates.map(({ name, reason }) => [name, Number(/expected reward (-?[\d.]+)/.exec(reason)?.[1])]),
      )
    }
    return { router, clock, ask, expected }
  }

  const ruled = byRules({ rules: [{ models: ['a', 'b'], strategy: byBandit({ arms: ['a', 'b'] }) }], otherwise: ['a'] })
  it.each([
    ['of the route', byBandit({ arms: ['a', 'b'] })],
    ['inside of rules', ruled],
    ['inside of rules inside of sticky', bySticky({ strategy: ruled })],
  ])('teaches the bandit %s', async (_where, strategy) => {
    const { router, ask, expected } = bandit(strategy)
    const model = await ask('one')
    const { decision } = [...router.ledger!.calls()][0]!
    expect(decision).toMatchObject({ candidates: [{ propensity: 0.5 }, { propensity: 0.5 }] })
    expect((await expected())[model]).toBe(0.75)
    await router.feedback('one', 0.1)
    expect((await expected())[model]).toBe(0.3)
    await router.feedback('one', 1)
    expect((await expected())[model]).toBe(0.75)
  })

  it('teaches the bandit of the rule that decided, and no other', async () => {
    const strategy = byBandit({ arms: ['a', 'b'] })
    const rules = ['x', 'y'].map((user) => ({ when: { user }, models: ['a', 'b'], strategy }))
    const { router, clock, call } = yard({
      models: { a: { answers: ok }, b: { answers: ok } },
      routes: { auto: { strategy: byRules({ rules, otherwise: ['a'] }) } },
      ledger: 'memory',
    })
    const followed = call({}, { id: 'one', identity: { user: 'x' } })
    await clock.advance(10)
    const { model } = followed.value!
    await router.feedback('one', 0.1)
    const reasonFor = async (user: string) => {
      const { candidates } = await router.explain({ body: chat(), identity: { user } })
      return candidates.find(({ name }) => name === model)!.reason
    }
    expect(await reasonFor('x')).toContain('expected reward 0.300 by 1 calls')
    expect(await reasonFor('y')).toContain('expected reward 0.500 by 0 calls')
  })

  it('teaches the bandit of the route that decided, where a budget chose another one than was asked for', async () => {
    const priced = { answers: ok, price: { input: 1, output: 1 } }
    const { clock, router, call } = yard({
      models: { a: priced, b: priced },
      routes: {
        auto: { strategy: byBandit({ arms: ['a', 'b'] }) },
        thrifty: { strategy: byBandit({ arms: ['a', 'b'] }) },
      },
      budgets: [{ per: 'all', limitUsd: 1, window: 'day', degrade: { at: 1e-9, routes: { auto: 'thrifty' } } }],
      ledger: 'memory',
    })
    call({ model: 'a' })
    await clock.advance(10)
    const followed = call({}, { id: 'one' })
    await clock.advance(10)
    const { model } = followed.value!
    await router.feedback('one', 0.1)
    const { candidates } = await router.explain({ body: chat({ model: 'thrifty' }) })
    expect(candidates.find(({ name }) => name === model)!.reason).toContain('expected reward 0.300 by 1 calls')
  })

  it('counts for what it was worth when the call was made: old news is faint', async () => {
    const { router, clock, ask, expected } = bandit(
      byBandit({ arms: ['a', 'b'], halfLifeMs: 60_000, unrated: 'ignore' }),
    )
    const model = await ask('old')
    await clock.advance(60_000)
    await router.feedback('old', 1)
    expect((await expected())[model]).toBeCloseTo((0.5 + 0.5) / 1.5, 2)
  })

  it('lets rated answers decide where successes alone say nothing', async () => {
    const { router, ask } = bandit(byBandit({ arms: ['a', 'b'], unrated: 'ignore' }))
    for (let at = 0; at < 150; at++) {
      const model = await ask(`call-${at}`)
      await router.feedback(`call-${at}`, model === 'b' ? 0.9 : 0.2)
    }
    const last: string[] = []
    for (let at = 0; at < 40; at++) last.push(await ask(`later-${at}`))
    expect(last.filter((model) => model === 'b').length).toBeGreaterThan(30)
  })

  it('is not for a call that nothing answered, and not after the end', async () => {
    const { router, clock } = bandit(byRules({ rules: [], otherwise: ['a'] }), { a: { answers: refused(500) } })
    const failed = router.handle({ body: chat(), id: 'failed' }).catch(() => undefined)
    await clock.advance(10)
    await failed
    await expect(router.feedback('failed', 1)).rejects.toMatchObject({ code: 'not_found' })
    await router.close({ timeoutMs: 1 })
    await expect(router.feedback('failed', 1)).rejects.toMatchObject({ code: 'shutting_down' })
  })
})
