import { createFakeClock, createSimulatedDispatcher, seededRandom } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type RouteOptions,
  type RouterOptions,
  byBandit,
  byCascade,
  bySticky,
  createRouter,
  definePlugin,
  openaiCompatible,
  simulate,
} from '../index.ts'
import { usdOf } from '../money/usd.ts'

const names = ['small', 'middle', 'large'] as const

/** A configuration with one route, on a clock of its own. */
function policyOf(auto: RouteOptions) {
  const clock = createFakeClock({ turns: 1 })
  const random = seededRandom(7)
  const upstreams = names.map(() => createSimulatedDispatcher({ clock, random, latencyMs: { p50: 400, p99: 500 } }))
  const models = names.map((name, at) => [
    name,
    openaiCompatible({
      baseUrl: `http://${name}.invalid/v1`,
      dispatcher: upstreams[at]!,
      price: { input: 1 + 10 * at, output: 4 + 30 * at },
    }),
  ])
  const options: RouterOptions = {
    models: Object.fromEntries(models),
    routes: { auto },
    clock,
    random,
    ledger: 'memory',
  }
  return { options, clock, upstreams }
}

/** The same calls by a policy, a hundred of them: the ledger, and what they cost. One model may be down for some. */
async function played(auto: RouteOptions, { calls = 100, down }: { calls?: number; down?: number } = {}) {
  const { options, clock, upstreams } = policyOf(auto)
  const router = createRouter(options)
  onTestFinished(() => router.close())
  for (let sent = 0; sent < calls; sent++) {
    if (down !== undefined && sent === 10) upstreams[down]!.fail({ status: 503 })
    if (down !== undefined && sent === 20) upstreams[down]!.heal()
    const body = { model: 'auto', messages: [{ role: 'user', content: `What is ${sent} + 2?` }] }
    router.handle({ body }).catch(() => undefined)
    await clock.advance(2_000)
  }
  const ledger = router.ledger!
  const cost = [...ledger.attempts()].reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)
  return { ledger, costUsd: usdOf(cost) }
}

const mostlySmall: RouteOptions = { strategy: 'weighted', models: [{ model: 'small', weight: 9 }, 'middle'] }
const verified: RouteOptions = {
  strategy: byCascade({ cheap: ['small'], strong: ['large'], verify: () => false }),
}

describe('a simulation', () => {
  it.each<[string, RouteOptions]>([
    ['other weights', { strategy: 'weighted', models: ['small', { model: 'middle', weight: 9 }] }],
    ['no weight', { strategy: 'weighted', models: [{ model: 'small', weight: 0 }, 'middle'] }],
    ['turns by other weights', { strategy: 'round-robin', models: ['small', { model: 'middle', weight: 3 }] }],
    ['the cheapest model', { strategy: 'cheapest', models: names }],
  ])('of %s comes to what a run with that policy costs', async (_policy, auto) => {
    const { ledger, costUsd } = await played(mostlySmall)
    const run = await played(auto)
    expect(run.costUsd).not.toBe(costUsd)
    expect(await simulate(ledger, policyOf(auto).options)).toMatchObject({
      calls: 100,
      costUsd,
      wouldCostUsd: run.costUsd,
      unknown: [],
      unpriced: [],
    })
  })

  it('does not know what a cascade would have made of an answer, nor what a bandit would have learned', async () => {
    const { ledger } = await played(mostlySmall)
    expect(await simulate(ledger, policyOf(verified).options)).toMatchObject({
      moved: 0,
      unknown: [{ why: 'what the strategy "cascade" would have made of the answer is not recorded', calls: 100 }],
    })
    const bandit: RouteOptions = { strategy: byBandit({ arms: ['small', 'large'] }) }
    const { moved, unknown } = await simulate(ledger, policyOf(bandit).options)
    expect(unknown).toMatchObject([{ why: 'what the strategy would have learned from its own draws is not recorded' }])
    const { length: movable } = [...ledger.attempts({ model: 'middle' })]
    expect(moved).toBeLessThanOrEqual(movable)
  })

  it('says what it does not know because a strategy has a fault', async () => {
    const { ledger } = await played(mostlySmall)
    const observe = () => {
      throw new Error('a fault of its own')
    }
    const odd = definePlugin({
      name: 'odd',
      strategies: { odd: () => ({ name: 'odd', rank: (_call, all) => all, observe }) },
    })
    const { options } = policyOf({ strategy: 'odd', models: names })
    expect(await simulate(ledger, { ...options, plugins: [odd] })).toMatchObject({
      moved: 0,
      unknown: [{ why: 'the strategy "odd" failed to observe: a fault of its own', calls: 100 }],
    })
  })

  it('leaves a cascade without the cost of what it asked besides', async () => {
    const { ledger, costUsd } = await played(verified)
    for (const model of ['small', 'large']) {
      const alone: RouteOptions = { models: [model] }
      const { costUsd: wouldCostUsd } = await played(alone)
      expect(await simulate(ledger, policyOf(alone).options)).toMatchObject({ costUsd, wouldCostUsd })
    }
  })

  it('lets a bandit learn from the answers of the models that it draws', async () => {
    const { ledger } = await played({ strategy: 'weighted', models: [{ model: 'small', weight: 4 }, 'large'] })
    const dear: RouteOptions = { strategy: byBandit({ arms: ['small', 'large'], lambda: 5_000 }) }
    const { same } = await simulate(ledger, policyOf(dear).options)
    // By chance alone it would be half of them.
    expect(same).toBeGreaterThan(55)
  })

  it.each<[string, RouteOptions]>([
    ['turns', { strategy: 'round-robin', models: ['small', { model: 'middle', weight: 2 }, 'large'] }],
    ['the fastest', { strategy: 'least-latency', models: names }],
  ])(
    'of a policy that differs by nothing that counts goes as it went while a model was down: %s',
    async (_by, auto) => {
      const { ledger, costUsd } = await played(auto, { calls: 200, down: 1 })
      const { options } = policyOf(auto)
      const other = { ...options, routes: { auto, other: { models: ['small'] } } }
      expect(await simulate(ledger, other)).toMatchObject({ same: 200, moved: 0, costUsd, wouldCostUsd: costUsd })
    },
  )

  it.each<[string, RouteOptions]>([
    ['a cascade', verified],
    ['a bandit', { strategy: byBandit({ arms: ['small', 'large'], lambda: 100 }) }],
    ['the fastest', { strategy: 'least-latency', models: names }],
    ['what keeps conversations', { strategy: bySticky({ strategy: 'round-robin' }), models: names }],
  ])('of the very policy that decided changes nothing: %s', async (_strategy, auto) => {
    const { ledger, costUsd } = await played(auto)
    expect(await simulate(ledger, policyOf(auto).options)).toMatchObject({
      same: 100,
      moved: 0,
      costUsd,
      wouldCostUsd: costUsd,
      unknown: [],
    })
  })
})
